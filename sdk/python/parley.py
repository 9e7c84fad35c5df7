"""Talk to a parley server, or be a part of one. One file, standard library only, Python 3.9 or newer.

    import parley

    with parley.connect("text://127.0.0.1:7700", guest="robot") as client:
        client.join("lobby")
        client.say("lobby", "hello, world")
        for event in client.events():
            if isinstance(event, parley.Told):
                client.tell(event.user, "you said: " + event.text)

With asyncio it is the same, with `await`:

    async with await parley.aconnect(guest="robot") as client:
        await client.say("lobby", "hello, world")

A command that everybody on the server can call:

    module = parley.Module()

    @module.command("add", help="adds two numbers")
    def add(call, a, b):
        return ["sum", int(a) + int(b)]

    module.run()

Numbers in comments, as 1.8.3, are clauses of docs/protocol-text.md. In this order: errors, events, the codec, the
session without I/O (`_Core`), the verbs, the client, the asyncio client, modules.
"""

import collections
import math
import os
import random
import re
import socket
import stat
import struct
import sys
import time
import unicodedata
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote, urlsplit

# asyncio, ssl, inspect and traceback are imported where they are needed: a program that does without them starts
# three times as fast.

URL = "text://127.0.0.1:7700"  # where a server listens if nobody says otherwise
LIMIT = 65536  # bytes of a frame's data (1.1.2)
FIELDS = 1024  # fields of a request (1.2.7)
EVENTS = 10_000  # events that wait to be read before the oldest are dropped
WINDOW = 32768  # bytes of requests that a pipeline has under way: the system's buffers hold as much

# ------------------------------------------------------------------------------------------------------------ errors


class ParleyError(Exception):
    """What the server, a program on it, or the connection gave instead of an answer.

    `type` is for programs, `info` for people; after a `fatal` one there is no connection. Each type has a class, to
    catch `parley.NotLoggedIn`; `ParleyError("not_logged_in", …)` makes one of it, as OSError does with errno.
    """

    type = "unhandled"
    _classes: dict = {}

    def __init_subclass__(cls):
        cls.type = re.sub(r"(?<=.)([A-Z])", r"_\1", cls.__name__).lower()
        ParleyError._classes[cls.type] = cls

    def __new__(cls, type="", info="", fatal=False):
        kind = ParleyError._classes.get(type, cls) if cls is ParleyError else cls
        return super(ParleyError, kind).__new__(kind)

    def __init__(self, type: str = "", info: str = "", fatal: bool = False):
        self.type, self.info, self.fatal = type or self.type, info, fatal
        self.args = (self.type, info, fatal)

    def __str__(self):
        return f"{self.type}: {self.info}" if self.info else self.type


Error = ParleyError  # for modules: raise parley.Error("no_such_die", "a die has 2 to 100 sides")


class Disconnected(ParleyError, ConnectionError): "No connection. What was under way may have been done or not."
class ProtocolError(ParleyError): "The other side does not speak the protocol."
class Timeout(ParleyError, TimeoutError): "No answer in time, of the server or of the program that was called."
class Unhandled(ParleyError): "A fault in the server, or in the program that was called."
class RequestTooLong(ParleyError): "A request, a text or a topic is over its limit."
class CommandNotFound(ParleyError): "The server has no such command, and nobody provides it."
class Syntax(ParleyError): "The wrong number or form of arguments."
class NameTooShort(ParleyError): "An account's name needs two characters."
class InvalidName(ParleyError): "Against the rule for names (1.5)."
class WrongUserOrPassword(ParleyError): "One of the two; it is not told which."
class NotLoggedIn(ParleyError): "The command needs a name: log in, or be a guest."
class NameTaken(ParleyError): "Registered, or in use by somebody else."
class WeakPassword(ParleyError): "Shorter than the operator allows."
class UserNotFound(ParleyError): "Nobody has this name."
class UserOffline(ParleyError): "The user cannot be reached now."
class RoomNotFound(ParleyError): "There is no such room."
class RoomExists(ParleyError): "There is a room of this name."
class NotAMember(ParleyError): "The user is not in the room."
class Forbidden(ParleyError): "The user may not do this."
class RateLimited(ParleyError): "Too many requests of a costly kind; try later."
class TooMany(ParleyError): "A count is at its limit."
class Unavailable(ParleyError): "The server cannot do it now, and nothing was done; or it is shutting down."
class SlowConsumer(ParleyError): "This session did not read what was sent to it."


# ------------------------------------------------------------------------------------------------ events and answers

class Said(NamedTuple("Said", [("room", str), ("user", str), ("id", str), ("time", str), ("text", str)])):
    "Somebody said something in a room. Ids of one room compare in its order; a time is RFC 3339, in UTC."
class Told(NamedTuple("Told", [("user", str), ("to", str), ("id", str), ("time", str), ("text", str)])):
    "A private message. `to`, `id` and `time` are empty unless the client asked for `copies()`."
class Sent(NamedTuple("Sent", [("user", str), ("command", str), ("args", Tuple[str, ...])])):
    "A command that another program gave with `send`; it wants no answer."
class Joined(NamedTuple("Joined", [("room", str), ("user", str)])):
    "The first session of a user came into a room."
class Left(NamedTuple("Left", [("room", str), ("user", str), ("reason", str)])):
    "The last session of a user is gone from a room; the reason may be empty."
class TopicSet(NamedTuple("TopicSet", [("room", str), ("user", str), ("text", str)])):
    "A room has another topic."
class Deleted(NamedTuple("Deleted", [("room", str), ("user", str)])):
    "A room is gone; the user is empty when the server did it."
class Push(NamedTuple("Push", [("fields", Tuple[str, ...])])):
    "A push that this library does not know. Ignore it (1.7.3)."
class Missed(NamedTuple("Missed", [("count", int)])):
    "So many events were dropped here because they were not read. What was said is in the history."
class Reconnected(NamedTuple("Reconnected", [])):
    "The connection was lost and is there again. What was said meanwhile stands before this event."


class Posted(NamedTuple("Posted", [("id", str), ("time", str)])):
    "What `say`, `tell` and `post` answer. Without an id the message was passed on, and not kept."
class Message(NamedTuple("Message", [("id", str), ("time", str), ("user", str), ("text", str)])):
    "What was said, as `history` gives it."
class Program(NamedTuple("Program", [("name", str), ("state", str), ("commands", List[str]), ("calls", int),
                                     ("errors", int), ("median", Optional[int])])):
    "A program that the server knows (1.4.12). The median is in microseconds, and None when it was never called."


class Call:
    """Somebody calls a command of this program. Answer within 5 seconds: `answer(values…)` or `refuse(type, info)`.

    The server writes `caller`; it is empty for a session without a name. A handler of a Module gets a Call as its
    first argument and answers by what it returns; `call.client` has the verbs.
    """

    __slots__ = ("client", "number", "command", "caller", "args", "_session")

    def __init__(self, client, number, command, caller, *args):
        self.client, self.number, self.command, self.caller, self.args = client, number, command, caller, args
        self._session = client._core.session

    def answer(self, *values):
        self.client._return(self, encode(("return", self.number, *map(str, values))))

    def refuse(self, type, info):
        self.client._return(self, encode(("return", self.number, "error", "nonfatal", type, info or type)))


_EVENTS = {"room": Said, "told": Told, "joined": Joined, "left": Left, "topic": TopicSet, "deleted": Deleted}


def _event(fields):
    name, *args = fields
    if name == "send" and len(args) > 1:
        if args[1] == "text" and len(args) == 3:  # a private message (1.3.18)
            return Told(args[0], "", "", "", args[2])
        return Sent(args[0], args[1], tuple(args[2:]))
    if name == "left" and len(args) == 2:
        args.append("")
    kind = _EVENTS.get(name)
    return kind(*args) if kind and len(args) == len(kind._fields) else Push(tuple(fields))


# ------------------------------------------------------------------------------------------------------------- codec

_HEADER = struct.Struct(">IB")
_SYNTAX = re.compile(r"\\(.?)|,", re.DOTALL)


def encode(fields, limit: int = LIMIT) -> bytes:
    """Make the frame of one message, which is a sequence of strings (1.1, 1.2)."""
    text = ",".join(fields)
    if "\\" in text or text.count(",") >= len(fields):
        text = ",".join([field.replace("\\", "\\\\").replace(",", "\\,") for field in fields])
    data = text.encode()
    if len(data) > limit:
        raise RequestTooLong(info=f"the message has {len(data)} bytes; a frame holds {limit}")
    return _HEADER.pack(len(data), 0) + data


def decode(text: str) -> List[str]:
    """Take the data of a frame apart."""
    if "\\" not in text:
        return text.split(",")
    fields, pieces, at = [], [], 0
    for token in _SYNTAX.finditer(text):
        pieces.append(text[at:token.start()])
        at = token.end()
        if token[0] == ",":
            fields.append("".join(pieces))
            pieces.clear()
        elif token[1]:
            pieces.append(token[1])
        else:
            raise ProtocolError(info="a message ends with a backslash that escapes nothing")
    return fields + ["".join(pieces) + text[at:]]


class Decoder:
    """Makes messages of bytes, however they are cut. It keeps less than one frame, whose size it judged."""

    def __init__(self, limit: int = LIMIT):
        self._limit, self._rest = limit, bytearray()

    def feed(self, data: bytes) -> Iterator[List[str]]:
        """Yield the messages that are complete; iterate to the end. Nothing can follow a ProtocolError."""
        if self._rest:
            self._rest += data
            data = self._rest
        at, size = 0, len(data)
        while size - at >= 5:
            length, null = _HEADER.unpack_from(data, at)
            if null or length > self._limit:
                raise ProtocolError(info=f"this begins no frame of at most {self._limit} bytes")
            begin, end = at + 5, at + 5 + length
            if end > size:
                break
            try:
                text = data[begin:end].decode()
            except UnicodeDecodeError:
                raise ProtocolError(info="a message is not UTF-8") from None
            at = end
            yield decode(text)
        if at or data is not self._rest:
            self._rest = bytearray(data[at:])


# ------------------------------------------------------------------------------------------- the session without I/O


class Reply:
    """What comes of a request. In a pipeline `result()` gives the answer, or raises the error, once it is `done`."""

    __slots__ = ("fields", "done", "error", "size", "then", "_convert", "_value")

    def __init__(self, fields: Tuple[str, ...] = (), convert: Optional[Callable] = None):
        self.fields, self._convert = fields, convert
        self.done, self.error, self.size, self.then, self._value = False, None, 0, None, None

    def result(self):
        if not self.done:
            raise RuntimeError("the answer is not there yet; leave the pipeline first")
        if self.error is not None:
            raise self.error
        return self._value

    def settle(self, value, error=None):
        if not self.done:
            self._value, self.error, self.done = value, error, True
            if self.then is not None:
                self.then(self)


DOWN, RESTORING, UP, OVER = "down", "restoring", "up", "over"

_TRANSIENT = (Disconnected, Timeout, Unavailable, RateLimited, TooMany)  # then coming back is tried again


class _Core:
    """A session without its connection: requests become bytes in `out`, bytes become replies and events.

    Who drives it tells it of the connection (`connected`, `feed`, `lost`), writes what is in `out`, calls `tick` in
    time, and closes the connection when `state` is DOWN or OVER. A session begins RESTORING: it logs in and, if it
    is not the first, brings back what was there. Then it is UP.
    """

    def __init__(self, identity=(), timeout=30.0, keepalive=60.0, reconnect=False, limit=LIMIT, events=EVENTS):
        self.timeout, self.keepalive, self.reconnect, self.limit = timeout, keepalive, reconnect, limit
        self.state, self.error, self.closed = DOWN, None, False  # error: why it is DOWN or OVER
        self.out: List[bytes] = []
        self.events: collections.deque = collections.deque()
        self.calls: Optional[collections.deque] = None  # of a module; else calls are events
        self.client: Any = None  # what a Call answers with
        self.session = 0  # counts connections: a call of an earlier one can not be answered
        self.under_way = 0  # bytes of requests without an answer
        self.memory = _Memory(identity)
        self.lasting = False  # it was UP, or may never give up
        self._attempts, self._retry_at, self._most, self._missed = 0, 0.0, events, 0
        self._decoder, self._number = Decoder(limit), 0
        self._since = self._asked = time.monotonic()  # when the server last answered; when the oldest began to wait
        self._pending: dict = {}  # request ID -> Reply
        self._waiting: List[Tuple[bytes, str, Reply]] = []  # requests made before the session is UP
        self._unsent: List[Reply] = []  # posts whose answers went with a lost connection
        self._held: collections.deque = collections.deque(maxlen=events)  # pushes that came before it is UP
        self._farewell: Optional[ParleyError] = None

    def submit(self, reply, now=False):
        """Send a request; before the session is UP it waits, unless it has to be now."""
        if len(reply.fields) > FIELDS - 2:
            raise Syntax(info=f"a request has at most {FIELDS - 2} fields")
        self._number += 1
        number = str(self._number)
        frame = encode(("req", number) + reply.fields, self.limit)
        if self.state == OVER:
            reply.settle(None, self.error)
            return reply
        reply.size = len(frame)
        self.under_way += reply.size
        if now or self.state == UP:
            if not self._pending:
                self._since = time.monotonic()
            self.out.append(frame)
            self._pending[number] = reply
        else:
            if not self._waiting and not self._unsent:
                self._asked = time.monotonic()
            self._waiting.append((frame, number, reply))
        return reply

    def run(self, steps, now=False):
        """Drive a generator that yields lists of requests, and goes on when a whole list has answers."""
        whole, left = Reply(), 1

        def advance(_=None):
            nonlocal left
            left -= 1
            try:
                while left == 0:
                    replies = next(steps)
                    left = len(replies)
                    for reply in replies:
                        reply.then = advance
                        self.submit(reply, now)
            except StopIteration as end:
                whole.settle(end.value)
            except (ParleyError, ValueError) as error:
                steps.close()
                whole.settle(None, error)
        advance()
        return whole

    def tick(self):
        """Give up what waits too long, keep the connection alive; tell in how many seconds to come again, or None."""
        now, due = time.monotonic(), math.inf
        if self._waiting or self._unsent:
            due = self._asked + self.timeout
            if now >= due:
                late = self._unsent + [reply for _, _, reply in self._waiting]
                self._unsent, self._waiting = [], []
                self._settle(late, self._too_late())
        if self._pending:
            due = min(due, self._since + self.timeout)
            if now >= self._since + self.timeout:
                late, self._pending = list(self._pending.values()), {}
                if self.reconnect:  # so silent a connection is most likely dead
                    self.lost(self._too_late())
                self._settle(late, self._too_late())
        elif self.keepalive is not None and self.state == UP:
            due = self._since + self.keepalive
            if now >= due:
                self.submit(Reply(("nop",)))
        return None if due == math.inf else max(due - now, 0.01)

    def _too_late(self):
        return Timeout(info=f"no answer came within {self.timeout:g} seconds")

    def _settle(self, replies, error):
        for reply in replies:
            self.under_way -= reply.size
            reply.settle(None, error)

    def retry(self):
        """Choose when the next attempt to come back may be: later and later, and no two clients alike."""
        self._attempts += 1
        self._retry_at = time.monotonic() + random.uniform(0, min(30, 0.25 * 2 ** min(self._attempts, 7)))

    def pause(self):
        """For how many seconds no attempt to come back is due."""
        return max(0, self._retry_at - time.monotonic())

    def connected(self):
        """There is a new connection. The reply is settled when the session is UP, or can not be."""
        self.state, self._decoder, self._farewell = RESTORING, Decoder(self.limit), None
        self.session += 1
        self._held.clear()
        self.out.clear()
        return self.run(self._restore(), now=True)

    def lost(self, cause=None):
        """The connection is gone, or is of no use any more."""
        if self.state in (DOWN, OVER):
            return
        if self._farewell is not None:
            cause, why = self._farewell, f"the server ended the connection: {self._farewell}"
        else:
            why = f"the connection is lost: {cause}" if cause else "the server closed the connection"
        error = Disconnected(info=why, fatal=True)
        error.__cause__ = cause
        # The server knows an account's client ids again (1.9.2), so its posts may be repeated; not a guest's (1.9.4).
        again = self.state == UP and self.reconnect and self.memory.identity[:1] == ("login",)
        if again:
            self._asked = time.monotonic()
            posts = {number: reply for number, reply in self._pending.items() if reply.fields[0] == "post"}
            self._unsent += posts.values()
            self._pending = {number: reply for number, reply in self._pending.items() if number not in posts}
        self._end(DOWN if self.reconnect and self.lasting else OVER, error)

    def close(self):
        """End it from this side."""
        self.closed = True
        if self.state != OVER:
            self._end(OVER, Disconnected(info="this client was closed", fatal=True))

    def _end(self, state, error):
        self.state, self.error = state, error
        self.retry()
        ended, self._pending = list(self._pending.values()), {}
        if self.calls:
            self.calls.clear()
        if state == OVER:
            ended += self._unsent + [reply for _, _, reply in self._waiting]
            self._unsent, self._waiting = [], []
        self._settle(ended, error)

    def feed(self, data):
        """Take what came. After a ProtocolError the connection is of no use."""
        for fields in self._decoder.feed(data):
            if fields[0] == "req" and len(fields) > 1:
                reply = self._pending.pop(fields[1], None)
                if reply is not None:
                    self._answered(reply, fields[2:])
            elif fields[0] == "call" and len(fields) > 3:
                if self.calls is not None:
                    self.calls.append(fields)
                else:
                    self._deliver(Call(self.client, *fields[1:]))
            elif fields[:2] == ["error", "fatal"]:
                self._farewell = ParleyError(*(fields + ["", ""])[2:4], True)
            elif self.state == UP:
                self._pushed(fields)
            else:
                self._missed += len(self._held) == self._most
                self._held.append(fields)

    def _answered(self, reply, answer):
        value = error = None
        self._since = time.monotonic()
        if answer[:1] == ["error"]:
            error = ParleyError(*(answer + ["", "", ""])[2:4], answer[1:2] == ["fatal"])
        else:
            try:
                value = reply._convert(answer) if reply._convert else answer
                if self.reconnect:
                    self.memory.learn(reply.fields, answer, self.state == UP)
            except (ValueError, IndexError, TypeError):
                error = ProtocolError(info=f"this is no answer to {reply.fields[0]}: {answer!r:.200}")
        self.under_way -= reply.size
        reply.settle(value, error)

    def _pushed(self, fields):
        if not self.reconnect or self.memory.fresh(fields):
            self._deliver(_event(fields))

    def _deliver(self, event):
        if len(self.events) >= self._most:
            self.events.popleft()
            self._missed += 1
        self.events.append(event)

    def next_event(self):
        """The oldest event; there must be one."""
        if self._missed:
            missed, self._missed = Missed(self._missed), 0
            return missed
        return self.events.popleft()

    # Coming back. The generators are for `run`.

    def _restore(self):
        again, transient = self.lasting, (NameTaken, *_TRANSIENT)  # a guest's name is, until its old session is gone
        try:
            if self.memory.identity:
                login = Reply(self.memory.identity)
                yield [login]
                login.result()
            transient = _TRANSIENT
            yield from self._enter()
            if again:
                yield from self._say_again()
                yield from self._catch_up()
        except ParleyError as refusal:
            if self.state == RESTORING:
                self._end(DOWN if again and isinstance(refusal, transient) else OVER, refusal)
            raise
        self.state, self.lasting, self._attempts = UP, True, 0
        self.memory.own.clear()
        while self._held:
            self._pushed(self._held.popleft())
        if again:
            self._deliver(Reconnected())
        self.out += [frame for frame, _, _ in self._waiting]
        self._pending.update((number, reply) for _, number, reply in self._waiting)
        self._waiting, self._since = [], time.monotonic()

    def _enter(self):
        replies = [Reply(request) for request in self.memory.requests()]
        yield replies
        for reply in replies:
            try:
                reply.result()
            except RoomNotFound:
                self._pushed(["deleted", reply.fields[1], ""])

    def _say_again(self):
        """Repeat the posts whose fate is not known (1.9.5), before the history is read: it must not show them."""
        posts = list(self._unsent)
        copies = [Reply(post.fields, post._convert) for post in posts]
        yield copies
        for post, copy in zip(posts, copies):
            if self.state != RESTORING:
                copy.result()  # it was lost again: this raises
            if post in self._unsent:  # it was not given up meanwhile
                self._unsent.remove(post)
                self.under_way -= post.size
                post.settle(copy._value, copy.error)

    def _catch_up(self):
        """Read what was said since, in all rooms at once, page by page until each is empty (1.8.8)."""
        behind = [room for room in self.memory.rooms.values() if room.last is not None]
        while behind:
            pages = [Reply(("history", room.name, "after", room.last, "200"), _messages) for room in behind]
            yield pages
            asked, behind = zip(behind, pages), []
            for room, page in asked:
                if isinstance(page.error, Syntax) and room.last:  # another room has this name now
                    room.last = ""
                    behind.append(room)
                elif page.result():
                    behind.append(room)
                    for id, when, user, text in page.result():
                        room.last = id
                        if id not in self.memory.own:
                            self._deliver(Said(room.name, user, id, when, text))


class _Room:
    """A room to come back to, and the last id that is known of it; None: what is said until then is not wanted."""

    def __init__(self, name):
        self.name, self.last = name, None


def _fold(name=""):
    """One form for all spellings of a name (1.5.4), near enough to find a room by the name in a push."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).lower())


class _Memory:
    """What a new connection has to be told: who this is, what it provides, where it is, and what it has seen."""

    def __init__(self, identity):
        self.identity, self.copies = identity, False
        self.rooms: dict = {}  # folded name -> _Room
        self.offers: dict = {}  # command -> the request that provides it
        self.own: set = set()  # ids of posts that were repeated: no news for this client

    def requests(self):
        copies = [("copies", "on")] if self.copies else []
        return [*copies, *self.offers.values(), *(("join", room.name) for room in self.rooms.values())]

    def learn(self, request, answer, up):
        """A request was done."""
        command, first = request[0], request[1] if len(request) > 1 else ""
        if command == "post" and not up:
            self.own.add(answer[1])
        elif not up:
            return
        elif command in ("say", "post"):
            self.fresh(["room", first, "", answer[1], "", ""])  # all that is older was pushed before this answer
        elif command in ("login", "guest", "logout"):
            if request != self.identity or command == "login":
                self.rooms.clear()
                self.offers.clear()
            self.identity = request if command != "logout" else ()
        elif command == "passwd":
            self.identity = (*self.identity[:2], request[2])
        elif command == "join":
            self.rooms.setdefault(_fold(first), _Room(first))
        elif command == "leave":
            self.rooms.pop(_fold(first), None)
        elif command == "provide":
            self.offers[first] = request
        elif command == "withdraw":
            self.offers.pop(first, None)
        elif command == "copies":
            self.copies = first == "on"

    def fresh(self, push):
        """Tell whether a push is news, and remember it."""
        room = self.rooms.get(_fold(push[1])) if len(push) > 2 else None
        if room is not None:
            if push[0] == "room" and len(push) == 6:
                if room.last is not None and push[3] <= room.last:
                    return False
                room.last = push[3]
            elif push[0] == "deleted" or push[0] == "left" and _fold(push[2]) == _fold(*self.identity[1:2]):
                del self.rooms[_fold(push[1])]
        return True


# ------------------------------------------------------------------------------------------------------------- verbs


_nothing, _second, _rest = (lambda answer: None), (lambda answer: answer[1]), (lambda answer: answer[1:])


def _posted(answer):
    return Posted(answer[1], answer[2])


def _messages(answer):
    return [Message(*answer[at:at + 4]) for at in range(1, len(answer), 4)]


def _programs(answer):
    rows = [answer[at:at + 6] for at in range(1, len(answer), 6)]
    return [Program(name, state, commands.split(), int(calls), int(errors), int(median) if median else None)
            for name, state, commands, calls, errors, median in rows]


class _Verbs:
    """The commands of the protocol. An AsyncClient gives something to `await`, a pipeline a `Reply`."""

    _core: _Core

    def _finish(self, reply):
        raise NotImplementedError

    def _do(self, convert, *fields):
        return self._finish(self._core.submit(Reply(fields, convert)))

    def _names(self, *fields):
        def pages():
            names: List[str] = []
            while True:
                page = Reply(fields + tuple(names[-1:]), _rest)
                yield [page]
                if not page.result():
                    return names
                names += page.result()
        return self._finish(self._core.run(pages()))

    def do(self, command: str, *args):
        """Call any command, one that a program provides too. Gives the fields of the answer, a list."""
        return self._do(None, command, *map(str, args))

    def nop(self):
        """Do nothing. When it is answered, all requests before it are."""
        return self._do(_nothing, "nop")

    def help(self, *command: str):
        """The lines that explain a command, or all that this session may use."""
        return self._do(_rest, "help", *command)

    def register(self, user: str, password: str):
        """Make an account; it does not log in."""
        return self._do(_nothing, "register", user, password)

    def login(self, user: str, password: str):
        """Speak as an account from now on. Rooms are left and commands withdrawn (3.2.2)."""
        return self._do(_nothing, "login", user, password)

    def guest(self, user: str):
        """Speak under a name that nobody has, until the session ends."""
        return self._do(_nothing, "guest", user)

    def logout(self):
        """Be nobody again."""
        return self._do(_nothing, "logout")

    def passwd(self, old: str, new: str):
        """Change the account's password."""
        return self._do(_nothing, "passwd", old, new)

    def whoami(self):
        """The name that this session speaks under."""
        return self._do(_second, "whoami")

    def users(self):
        """Who is online: all names, however many pages they fill."""
        return self._names("users")

    def rooms(self):
        """The names of all rooms."""
        return self._names("rooms")

    def members(self, room: str):
        """The names of those who are in a room."""
        return self._names("members", room)

    def myrooms(self):
        """The names of the rooms that the account is a member of."""
        return self._names("myrooms")

    def new(self, room: str):
        """Make an open room; join it to be in it."""
        return self._do(_nothing, "new", room)

    def join(self, room: str):
        """Enter a room. What happens there becomes events from now on."""
        def steps():
            rooms, latest, join = self._core.memory.rooms, Reply(("history", room, "", "", "1"), _messages), None
            if self._core.reconnect and _fold(room) not in rooms:
                yield [latest]  # where to go on after a loss if nothing comes until then
                latest.result()
            join = Reply(("join", room))
            yield [join]
            join.result()
            joined = rooms.get(_fold(room))
            if latest.done and joined is not None and joined.last is None:
                joined.last = latest.result()[0].id if latest.result() else ""
        return self._finish(self._core.run(steps()))

    def leave(self, room: str):
        """Leave a room, with all sessions of this user."""
        return self._do(_nothing, "leave", room)

    def topic(self, room: str, text: Optional[str] = None):
        """The topic of a room; with a text, set it."""
        return self._do(_second, "topic", room) if text is None else self._do(_nothing, "topic", room, text)

    def say(self, room: str, text: str):
        """Say something in a room. When this gives its Posted, it is on the server's disk."""
        return self._do(_posted, "say", room, text)

    def tell(self, user: str, text: str):
        """Tell a user something in private. Gives its Posted, without an id if it was not kept (3.3.2)."""
        return self._do(_posted, "tell", user, text)

    def post(self, to: str, text: str, client_id: str = ""):
        """As `say`, or for "@user" as `tell`, and safe to repeat: what has one client id is said once (1.9)."""
        return self._do(_posted, "post", to, client_id or os.urandom(12).hex(), text)

    def send(self, user: str, command: str, *args: str):
        """Give a command to a user's programs, without waiting for what comes of it."""
        return self._do(_nothing, "send", user, command, *args)

    def ask(self, user: str, command: str, *args: str):
        """Call a command of one user's program. Gives the values that it returned, a list."""
        return self._do(None, "ask", user, command, *args)

    def copies(self, on: bool = True):
        """Have private messages with id and time, and those that other sessions of this user tell."""
        return self._do(_nothing, "copies", "on" if on else "off")

    def history(self, of: str, before: Optional[str] = None, after: Optional[str] = None, limit: int = 50):
        """What was said in a room, or with "@user": Messages, oldest first. The latest ones, the latest before an id,
        or the first after an id (after "": from the beginning); at most 200. Only an empty list is the end."""
        if before is not None and after is not None:
            raise ValueError("history goes before an id or after one, not both ways")
        way = ("before", before) if before is not None else ("", "") if after is None else ("after", after)
        return self._do(_messages, "history", of, *way, str(limit))

    def modules(self):
        """The programs that provide commands, a list of Program."""
        return self._do(_programs, "modules")

    def provide(self, command: str, least: int = 0, most: int = -1, help: str = ""):
        """Offer a command to everyone; calls of it come as Call events. A Module does this by itself."""
        return self._do(_nothing, "provide", command, str(least), str(most), help)

    def withdraw(self, command: str):
        """Offer a command no more."""
        return self._do(_nothing, "withdraw", command)


# ------------------------------------------------------------------------------------------------ the client


def _address(url):
    """The path of a socket, or host and port; and whether TLS is spoken there."""
    parts = urlsplit(url)
    if parts.scheme == "text+unix" and parts.path and not parts.netloc:
        return unquote(parts.path), False
    if parts.scheme in ("text", "texts") and parts.hostname and parts.path in ("", "/") and "@" not in parts.netloc:
        return (parts.hostname, parts.port or 7700), parts.scheme == "texts"
    raise ValueError(f"{url!r} is not an address; write text://host:port, texts://host:port or text+unix:///path")


def _tls(context):
    import ssl
    return context or ssl.create_default_context()


def _dialer(url, context):
    """A function that connects to the address within so many seconds."""
    address, tls = _address(url)

    def dial(timeout):
        unix = isinstance(address, str)
        link = socket.socket(socket.AF_UNIX) if unix else socket.create_connection(address, timeout)
        try:
            link.settimeout(timeout)
            if unix:
                link.connect(address)
            else:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _tls(context).wrap_socket(link, server_hostname=address[0]) if tls else link
        except BaseException:
            link.close()
            raise
    return dial


def _identity(user, password, guest):
    if guest is not None and user is None and password is None:
        return ("guest", guest)
    if (user is None) != (password is None) or guest is not None:
        raise ValueError("say user and password, or guest, or none of them")
    return () if user is None else ("login", user, password)


def connect(url: str = URL, user: Optional[str] = None, password: Optional[str] = None, *, guest: Optional[str] = None,
            tls: Any = None, **options) -> "Client":
    """Connect to text://host:port, texts://host:port (TLS) or text+unix:///path, and log in if there is a user and a
    password, or a guest's name. The options:

    timeout    seconds without any answer, while one is awaited, after which it is a `Timeout`: 30
    keepalive  seconds of silence after which a `nop` keeps the session alive, or None: 60
    reconnect  True: come back after a loss. Log in, provide and join again, have what was said meanwhile as events,
               each message once, and repeat an account's posts that had no answer. Other requests that had none
               raise `Disconnected`, for they may have been done; if one said something, it comes as an event
    limit      bytes of a frame, if the operator changed it
    events     how many events may wait to be read; then the oldest are dropped, and a `Missed` tells so
    tls        an ssl.SSLContext, instead of the usual one
    """
    return Client(_Core(_identity(user, password, guest), **options), _dialer(url, tls))


class Client(_Verbs):
    """A session. It belongs to one thread, and works while one of its methods is called. `connect` makes one."""

    def __init__(self, core, dial):
        self._core, self._dial = core, dial
        self._link: Any = None
        core.client = self
        try:
            self._link = dial(core.timeout)
        except OSError as error:
            raise Disconnected(info=f"the server cannot be reached: {error}", fatal=True) from error
        self._patience = self._link.gettimeout()
        try:
            self._finish(core.connected())
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """End the session."""
        self._core.close()
        self._hang_up()

    def events(self, timeout: Optional[float] = None) -> Iterator[Any]:
        """Iterate over what happens. It ends when nothing has come for `timeout` seconds, or the client was closed,
        and raises Disconnected when the session has ended otherwise."""
        core = self._core
        while core.events or self._until(lambda: core.events, timeout):
            yield core.next_event()
        if core.state == OVER and not core.closed:
            raise core.error

    def pipeline(self, check: bool = True) -> "Pipeline":
        """Send many requests without waiting for each answer:

            with client.pipeline() as p:
                replies = [p.say("lobby", line) for line in lines]
            ids = [reply.result().id for reply in replies]

        Leaving the block waits for all answers, and raises the first error among them unless `check` is False."""
        return Pipeline(self, check)

    def _finish(self, reply):
        if not reply.done:
            self._until(lambda: reply.done)
        return reply.result()

    def _until(self, ready, timeout=None):
        """Serve the connection until it is ready; False: the time has passed, or the session is over."""
        core, deadline = self._core, None if timeout is None else time.monotonic() + timeout
        while not ready():
            left = core.tick()
            if core.state == OVER:
                self._hang_up()
                return bool(ready())
            left = None if left is None else math.ceil(left * 8) / 8  # so that the socket's timeout seldom changes
            if deadline is not None:
                rest = deadline - time.monotonic()
                if rest <= 0:
                    return False
                left = rest if left is None else min(left, rest)
            if core.state == DOWN:
                self._come_back(core.timeout if left is None else left)
            else:
                self._turn(left)
        return True

    def _turn(self, left):
        """Write what waits, and read once."""
        core = self._core
        if core.out:
            self._flush()
        if core.state in (DOWN, OVER):
            return
        try:
            if left != self._patience:
                self._link.settimeout(left)
                self._patience = left
            data = self._link.recv(LIMIT)
            if data:
                core.feed(data)
            else:
                core.lost()
        except socket.timeout:
            pass
        except (OSError, ProtocolError) as error:
            core.lost(error)

    def _flush(self):
        core = self._core
        data = b"".join(core.out)
        core.out.clear()
        if core.state in (UP, RESTORING):
            try:
                if self._patience is not None and self._patience < 1:
                    self._patience = core.timeout
                    self._link.settimeout(self._patience)
                self._link.sendall(data)
            except OSError as error:  # half a frame may have gone
                core.lost(error)

    def _come_back(self, left):
        self._hang_up()
        pause = self._core.pause()
        time.sleep(min(pause, left))
        if pause < left:
            try:
                self._link = self._dial(max(left - pause, 0.1))
            except OSError:
                self._core.retry()
            else:
                self._patience = self._link.gettimeout()
                self._core.connected()

    def _hang_up(self):
        if self._link is not None:
            self._link.close()
            self._link = None

    def _return(self, call, frame):
        if call._session == self._core.session:
            self._core.out.append(frame)
            self._flush()


class Pipeline(_Verbs):
    """The verbs of a client, each of which gives a Reply at once; `Client.pipeline` makes one."""

    def __init__(self, client, check):
        self._client, self._core, self._check = client, client._core, check
        self._open: collections.deque = collections.deque()
        self._first = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        while self._open:
            self._client._until(lambda: self._open[0].done)
            self._settled()
        if self._check and kind is None and self._first is not None:
            raise self._first

    def _finish(self, reply):
        self._open.append(reply)
        if self._core.under_way > WINDOW:  # the server may wait for us to read before it reads more
            self._client._until(lambda: self._core.under_way <= WINDOW // 2)
            self._settled()
        return reply

    def _settled(self):
        while self._open and self._open[0].done:
            error = self._open.popleft().error
            self._first = self._first or error


# ------------------------------------------------------------------------------------------------ the asyncio client


async def aconnect(url: str = URL, user: Optional[str] = None, password: Optional[str] = None, *,
                   guest: Optional[str] = None, tls: Any = None, **options) -> "AsyncClient":
    """As `connect`, for asyncio."""
    client = AsyncClient(_Core(_identity(user, password, guest), **options), url, tls)
    await client._start()
    return client


class AsyncClient(_Verbs):
    """A session for asyncio; `aconnect` makes one. A verb sends its request when it is called, and what it gives may
    be awaited then or later. Requests of many tasks share one write."""

    def __init__(self, core, url, tls, link=None):
        import asyncio
        self._core, self._url, self._tls, self._link = core, url, tls, link
        self._asyncio, self._loop = asyncio, asyncio.get_running_loop()
        self._transport: Any = None
        self._timer = self._task = None  # the task comes back
        self._full = self._flushing = False
        self._waiters: List[Any] = []
        self._serve: Callable = lambda: None  # answers the calls of a module
        core.client = self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        """End the session."""
        self._core.close()
        self._after()
        for work in (self._timer, self._task):
            if work is not None:
                work.cancel()
        await self._asyncio.sleep(0)

    async def events(self):
        """Iterate over what happens. It ends when the client is closed, and raises Disconnected when the session ends
        otherwise. Two that iterate at once share the events."""
        core = self._core
        while core.events or core.state != OVER:
            if core.events:
                yield core.next_event()
            else:
                waiter = self._loop.create_future()
                self._waiters.append(waiter)
                await waiter
        if not core.closed:
            raise core.error

    def _finish(self, reply):
        future = self._loop.create_future()

        def settle(_):
            if not future.done():
                if reply.error is None:
                    future.set_result(reply._value)
                else:
                    future.set_exception(reply.error)
        reply.then = settle
        if reply.done:
            settle(reply)
        self._wake()
        return future

    def _return(self, call, frame):
        if call._session == self._core.session:
            self._core.out.append(frame)
            self._wake()

    def _wake(self):
        if self._core.out and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self):
        self._flushing = False
        out = self._core.out
        if out and self._transport is not None and not self._full:
            self._transport.write(b"".join(out))
            out.clear()

    async def _start(self):
        try:
            await self._dial()
        except OSError as error:
            self._core.close()
            raise Disconnected(info=f"the server cannot be reached: {error}", fatal=True) from error
        restored = self._core.connected()
        self._tick()
        try:
            await self._finish(restored)
        except BaseException:
            await self.close()
            raise

    async def _dial(self):
        (address, tls), loop = _address(self._url), self._loop
        if self._link is not None:
            dial = loop.create_connection(lambda: _Link(self), sock=self._link)
        elif isinstance(address, str):
            dial = loop.create_unix_connection(lambda: _Link(self), address)
        else:
            dial = loop.create_connection(lambda: _Link(self), *address, ssl=_tls(self._tls) if tls else None)
        try:
            await self._asyncio.wait_for(dial, self._core.timeout)
        except self._asyncio.TimeoutError as error:
            raise OSError(f"no connection within {self._core.timeout:g} seconds") from error
        if self._transport is None:  # gone before anybody could say that it was there
            raise OSError("the server closed the connection")

    async def _come_back(self):
        while self._core.state == DOWN:
            await self._asyncio.sleep(self._core.pause())
            try:
                await self._dial()
                await self._finish(self._core.connected())
            except (OSError, ParleyError):
                if self._core.state == DOWN:
                    self._core.retry()
                self._after()

    def _tick(self):
        core = self._core
        core.tick()
        self._after()
        if core.state != OVER:
            self._timer = self._loop.call_later(min(core.timeout, core.keepalive or core.timeout) / 4, self._tick)

    def _after(self):
        """Something has happened: see to whoever waits for it."""
        core = self._core
        self._serve()
        if core.events or core.state == OVER:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if core.state in (DOWN, OVER) and self._transport is not None:
            transport, self._transport, self._full = self._transport, None, False
            transport.close()
        if core.state == DOWN and (self._task is None or self._task.done()):
            self._task = self._loop.create_task(self._come_back())
        self._wake()


class _Link:
    """One connection of an AsyncClient, as asyncio wants it. What an earlier one still has to say is not heard."""

    def __init__(self, client):
        self._client = client

    def connection_made(self, transport):
        self._transport = self._client._transport = transport

    def data_received(self, data):
        if self._client._transport is self._transport:
            try:
                self._client._core.feed(data)
            except ProtocolError as error:
                self._client._core.lost(error)
            self._client._after()

    def eof_received(self):
        self.connection_lost(None)

    def connection_lost(self, error):
        if self._client._transport is self._transport:
            self._client._core.lost(error)
            self._client._after()

    def pause_writing(self):
        self._client._full = True

    def resume_writing(self):
        self._client._full = False
        self._client._flush()


# ----------------------------------------------------------------------------------------------------------- modules

_stdio: Optional[socket.socket] = None


def _take_stdio():
    """The connection that the server gave as stdin and stdout, if it started this program. From then on print() goes
    to stderr, which is the server's log, and so does what child processes print; input() finds the end."""
    global _stdio
    if _stdio is None and "PARLEY_MODULE" in os.environ and stat.S_ISSOCK(os.fstat(0).st_mode):
        _stdio = socket.socket(fileno=os.dup(0))
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        with open(os.devnull) as null:
            os.dup2(null.fileno(), 0)
    return _stdio


class Module:
    """Commands that this program offers. Make it before anything is printed.

        module = parley.Module()

        @module.command("dice")
        def dice(call, sides="6"):
            "throws a die"
            return ["dice", random.randint(1, int(sides))]

        module.run()

    A handler gets the Call and the arguments, all strings. It returns None, one value, or a list of values; the
    first should be a word that says what they are. `raise parley.Error(type, info)` answers with an error, and so
    does an error of a verb that it used (`call.client.tell(…)`); any other exception is `unhandled`, with a traceback
    on stderr. One that is `async` may wait for something while others are called.
    """

    def __init__(self):
        self._handlers: dict = {}  # command -> (function, least, most, help; None: only for `ask`)
        self._link = _take_stdio()

    def command(self, name: str, least: Optional[int] = None, most: Optional[int] = None, help: Optional[str] = None):
        """Offer a function as a command to everyone. How many arguments it takes (most of -1: any number) and the
        help are taken from its signature and docstring if they are not given."""
        def add(function):
            few, many = _arity(function)
            line = help if help is not None else (function.__doc__ or "").strip().partition("\n")[0]
            self._handlers[name] = function, few if least is None else least, many if most is None else most, line
            return function
        return add

    def handle(self, name: str):
        """Let a function answer `ask` for a command, without offering that to everyone."""
        def add(function):
            self._handlers[name] = function, *_arity(function), None
            return function
        return add

    def run(self, url: Optional[str] = None):
        """Serve: as a program that the server started, until it closes stdin; else, for ever, over a connection to
        PARLEY_URL, as PARLEY_USER with PARLEY_PASSWORD (or as a guest, who can be asked but offers nothing)."""
        import inspect
        if any(inspect.iscoroutinefunction(function) for function, *_ in self._handlers.values()):
            import asyncio
            return asyncio.run(self.arun(url))
        core, url = self._session(url)
        calls = core.calls
        with Client(core, _dialer(url, None) if self._link is None else lambda timeout: self._link) as client:
            while client._until(calls.__len__):
                began = time.monotonic()
                while calls:  # answer all that came with one write, unless it takes long
                    session, frame = core.session, self._answer(client, calls.popleft())
                    if session == core.session:
                        core.out.append(frame)
                    if time.monotonic() - began > 0.002:
                        client._flush()
                        began = time.monotonic()
        if self._link is None:
            raise core.error

    async def arun(self, url: Optional[str] = None):
        """As `run`, within a program that uses asyncio."""
        core, url = self._session(url)
        client, tasks = AsyncClient(core, url, None, self._link), set()

        def serve():
            while core.calls:
                answer = self._answer(client, core.calls.popleft())
                if isinstance(answer, bytes):
                    core.out.append(answer)
                else:
                    task = client._loop.create_task(answer)
                    tasks.add(task)  # the loop alone would let it be collected
                    task.add_done_callback(tasks.discard)
        client._serve = serve
        await client._start()
        async with client:
            try:
                async for _ in client.events():
                    pass
            except Disconnected:
                if self._link is None:
                    raise

    def _session(self, url):
        if self._link is not None:
            core = _Core(keepalive=None)
        else:
            user, password = os.environ.get("PARLEY_USER"), os.environ.get("PARLEY_PASSWORD")
            who = _identity(user, password, None) if password is not None else _identity(None, None, user)
            core = _Core(who, reconnect=True)
            core.lasting = True
        core.calls = collections.deque()
        for name, (_, least, most, help) in self._handlers.items():
            if help is not None:
                core.memory.offers[name] = ("provide", name, str(least), str(most), help)
        return core, url or os.environ.get("PARLEY_URL", URL)

    def _answer(self, client, fields):
        """The frame that answers a call, or a coroutine that does it later."""
        call = Call(client, *fields[1:])
        try:
            if call.command not in self._handlers:
                raise CommandNotFound(info=f"this program has no command {call.command}")
            function, least, most, _ = self._handlers[call.command]
            if len(call.args) < least or len(call.args) > most >= 0:
                raise Syntax(info=f"{call.command} takes {least} to {'any number of' if most < 0 else most} arguments")
            result = function(call, *call.args)
            if hasattr(result, "__await__"):
                return self._later(call, result)
            return encode(("return", call.number, *_values(result)))
        except Exception as error:
            return _failure(call, error)

    async def _later(self, call, result):
        try:
            frame = encode(("return", call.number, *_values(await result)))
        except Exception as error:
            frame = _failure(call, error)
        call.client._return(call, frame)


def _arity(function):
    """The least and the most arguments that a handler takes behind the Call."""
    import inspect
    least = most = 0
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return least, -1
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            most += 1
            least += parameter.default is parameter.empty
    return least, most


def _values(result):
    if result is None:
        return ()
    if isinstance(result, (list, tuple)):
        return map(str, result)
    if isinstance(result, (str, int, float)):
        return (str(result),)
    raise TypeError(f"a handler returns None, a value or a list of values, not {result!r:.100}")


def _failure(call, error):
    if isinstance(error, ParleyError):
        return encode(("return", call.number, "error", "nonfatal", error.type, error.info[:1000] or error.type))
    import traceback
    traceback.print_exception(type(error), error, error.__traceback__)
    return encode(("return", call.number, "error", "nonfatal", "unhandled", "a fault in the program; see its log"))
