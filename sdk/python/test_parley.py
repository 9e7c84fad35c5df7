"""Tests of parley.py against a real server, the program that PARLEY_BIN names."""

import ast
import asyncio
import functools
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest
from unittest import mock

import parley

HERE = pathlib.Path(__file__).resolve().parent
PROOF = bool(os.environ.get("PARLEY_PROOF") or os.environ.get("PARLEY_SOAK"))
PATIENCE = 60  # seconds, for what must happen; never slept

MODULE = '''
import asyncio, sys
sys.path.insert(0, {here!r})
import parley
module = parley.Module()
print("this must not be a frame", flush=True)

@module.command("echo", help="gives its arguments back")
def echo(call, *args):
    print("nor this", flush=True)
    return list(args) if args else None

@module.command("who")
def who(call):
    """tells who calls"""
    return ["who", call.caller]

@module.command("half", least=1, most=1)
def half(call, number):
    return int(number) / 2

@module.command("big")
def big(call, size):
    return "x" * int(size)

@module.command("fail")
def fail(call, kind, info):
    raise parley.Error(kind, info)

@module.command("whisper")
def whisper(call, user, text):
    call.client.tell(user, text)
    return "done"

@module.handle("secret")
def secret(call, word="none"):
    return ["secret", word, call.caller]
'''
ASYNC = '''
waiting = []

@module.command("wait")
async def wait(call):
    waiting.append(asyncio.get_running_loop().create_future())
    return ["waited", await waiting[-1]]

@module.command("wake")
def wake(call, word):
    waiting.pop(0).set_result(word)

@module.command("awhisper")
async def awhisper(call, user, text):
    await call.client.tell(user, text)
    return "done"

@module.command("afail")
async def afail(call):
    raise ValueError("an async fault")
'''


class Server:
    """A real server, with modules under it."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="parley-python-"))
        data = self.dir / "data"
        data.mkdir(mode=0o700)
        plain = MODULE.format(here=str(HERE))
        renamed = re.sub(r'command\("(echo|who|half|big|fail|whisper)"', r'command("a-\1"', plain)
        scripts = {"plain": plain, "async": renamed + ASYNC}
        lines = []
        for name, script in scripts.items():
            (self.dir / f"{name}.py").write_text(script + "\nmodule.run()\n")
            lines.append(f"{name} '{sys.executable}' -B '{self.dir}/{name}.py'\n")
        (data / "modules.txt").write_text("".join(lines))
        (self.dir / "parley.toml").write_text(
            'durability = "relaxed"\n[timeouts]\ncall = "1m"\n[grants.provider]\nrights = ["provide"]\n')
        self.log = open(self.dir / "log", "w+")
        self.process = subprocess.Popen(
            [os.environ["PARLEY_BIN"], "serve", "--config", str(self.dir / "parley.toml"), "--data", str(data),
             "--text", "127.0.0.1:0", "--line", "off"], stdout=subprocess.PIPE, stderr=self.log, text=True)
        for line in self.process.stdout:
            if line.startswith("text "):
                self.address = line.split()[1]
            if line.strip() == "ready":
                break
        else:
            raise AssertionError("the server did not start: " + (self.dir / "log").read_text())
        self.url = "text://" + self.address

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.dir)


server: Server
names = (f"n{number}" for number in range(10**6))


def setUpModule():
    global server
    server = Server()
    with connect() as client:
        client.register("provider", "correct horse")
        client.register("traveller", "correct horse")
        until(lambda: {"echo", "wait"} <= {command for program in client.modules() for command in program.commands})


def tearDownModule():
    server.stop()


def connect(url="", user="", **options):
    """A client of the test's server: an account, or a guest."""
    if not user:
        return parley.connect(url or server.url, guest=next(names), **options)
    return parley.connect(url or server.url, user, "correct horse", **options)


def until(ready):
    """Poll, with a deadline."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        time.sleep(0.005)


def room(client):
    name = next(names)
    client.new(name)
    return name


def take(client, count):
    """So many events."""
    events = []
    for event in client.events(timeout=PATIENCE):
        events.append(event)
        if len(events) == count:
            return events
    raise AssertionError(f"only {events} came")


class Proxy:
    """Stands between a client and a server; it can go deaf on the way back, and cut."""

    def __init__(self, listener=None, context=None):
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.context, self.target, self.links, self.knocks = context, server.address, [], 0
        self.deaf, self.open = False, True
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return "text://127.0.0.1:%d" % self.listener.getsockname()[1]

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.knocks += 1
            with self.lock:
                if not self.open:
                    near.close()
                    continue
            try:
                near = self.context.wrap_socket(near, server_side=True) if self.context else near
            except OSError:
                continue
            host, port = self.target.rsplit(":", 1)
            far = socket.create_connection((host, int(port)))
            with self.lock:
                self.links.append((near, far))
            threading.Thread(target=self.pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, True), daemon=True).start()

    def pump(self, source, sink, back):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if not (back and self.deaf):
                    sink.sendall(data)
        except OSError:
            pass
        for link in (source, sink):
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()  # the other thread closes the sink

    def cut(self, closed=False):
        """End all connections; when it stays closed, new ones end at once until it is `open` again."""
        with self.lock:
            links, self.links, self.open = self.links, [], not closed
        for near, far in links:
            for link in (near, far):
                try:
                    link.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError:
            pass
        self.listener.close()
        self.cut()


class Peer:
    """A server that plays a script: a function that gets the connection."""

    def __init__(self, script):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "text://127.0.0.1:%d" % self.listener.getsockname()[1]

        def serve():
            link, _ = self.listener.accept()
            with link:
                script(link)
        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.thread.join(PATIENCE)
        self.listener.close()


def frame(data):
    return struct.pack(">IB", len(data), 0) + data


class Codec(unittest.TestCase):
    def test_python_3_9(self):
        for name in ("parley.py", "bench.py"):
            ast.parse((HERE / name).read_text(), feature_version=(3, 9))

    def test_known_frames(self):
        self.assertEqual(parley.encode(["nop"]), b"\0\0\0\3\0nop")
        self.assertEqual(parley.encode(["send", "bob", "text", "hi, \\bob"]),
                         b"\0\0\0\x18\0send,bob,text,hi\\, \\\\bob")
        self.assertEqual(parley.encode([]), b"\0\0\0\0\0")
        self.assertEqual(parley.decode("t\\ext,\\€,\\,,"), ["text", "€", ",", ""])
        self.assertEqual(parley.decode(""), [""])
        with self.assertRaises(parley.RequestTooLong):
            parley.encode(["x" * 65537])
        with self.assertRaises(ValueError):
            parley.encode(["\ud800"])
        with self.assertRaises(TypeError):
            parley.encode(["say", 1])

    def test_any_list_comes_back(self):
        seed = random.randrange(1 << 32)
        rng = random.Random(seed)
        pieces = [",", "\\", "\\,", "", "é", "€", "𝄞", "\0", "\n", "a", "\\\\", " "]
        for _ in range(20000 if PROOF else 500):
            messages = [["".join(rng.choices(pieces, k=rng.randrange(5))) for _ in range(rng.randrange(2, 9))]
                        for _ in range(rng.randrange(1, 4))]
            stream = b"".join(map(parley.encode, messages))
            decoder, got = parley.Decoder(), []
            while stream:
                cut = rng.randrange(1, len(stream) + 1)
                got += decoder.feed(stream[:cut])
                stream = stream[cut:]
            self.assertEqual(got, messages, f"seed {seed}")

    def test_byte_by_byte(self):
        decoder, got = parley.Decoder(), []
        for byte in parley.encode(["x" * 5000, "€,"]) + parley.encode(["nop"]):
            got += decoder.feed(bytes([byte]))
        self.assertEqual(got, [["x" * 5000, "€,"], ["nop"]])

    def test_hostile_frames(self):
        for name, data in {
            "longer than the limit": b"\0\1\0\1\0",
            "all ones": b"\xff\xff\xff\xff\xff",
            "another protocol": b"HTTP/1.1 400 Bad Request\r\n",
            "no null byte": b"\0\0\0\3nop",
            "not UTF-8": frame(b"req,1,\xff"),
            "overlong": frame(b"\xc0\x80"),
            "surrogate": frame(b"\xed\xa0\x80"),
            "lone backslash": frame(b"room,tea\\"),
        }.items():
            with self.subTest(name):
                decoder, got = parley.Decoder(), []
                with self.assertRaises(parley.ProtocolError):
                    for message in decoder.feed(parley.encode(["before", "it"]) + data):
                        got.append(message)
                self.assertEqual(got, [["before", "it"]])

    def test_noise_is_survived(self):
        seed = random.randrange(1 << 32)
        rng = random.Random(seed)
        words = b"req 1 2 ok error fatal room send text left deleted call told user \\, \xff".split() + [b""]
        for _ in range(20000 if PROOF else 500):
            core = parley._Core(reconnect=rng.random() < 0.5)
            core.client = types.SimpleNamespace(_core=core)
            core.connected()
            replies = [core.submit(parley.Reply(("say", "tea", "x"), parley._posted)),
                       core.submit(parley.Reply(("whoami",)))]
            core.memory.rooms["tea"] = core.memory.rooms["text"] = parley._Room("tea")
            try:
                for _ in range(rng.randrange(1, 6)):
                    core.feed(frame(b",".join(rng.choices(words, k=rng.randrange(1, 7)))))
            except parley.ProtocolError as error:
                core.lost(error)
            core.close()
            self.assertTrue(all(reply.done for reply in replies), f"seed {seed}")
            self.assertEqual(core.under_way, 0, f"seed {seed}")

    def test_events_are_bounded(self):
        core = parley._Core(events=3)
        core.connected()
        for number in range(5):
            core.feed(parley.encode(["joined", "tea", str(number)]))
        self.assertEqual(core.next_event(), parley.Missed(2))
        self.assertEqual([core.next_event().user for _ in range(3)], ["2", "3", "4"])

    def test_pushes(self):
        for fields, event in [
            (["room", "tea", "bob", "1", "t", "hi"], parley.Said("tea", "bob", "1", "t", "hi")),
            (["send", "bob", "text", "hi"], parley.Told("bob", "", "", "", "hi")),
            (["send", "bob", "text", "hi", "more"], parley.Sent("bob", "text", ("hi", "more"))),
            (["send", "bob", "light"], parley.Sent("bob", "light", ())),
            (["told", "bob", "me", "1", "t", "hi"], parley.Told("bob", "me", "1", "t", "hi")),
            (["left", "tea", "bob"], parley.Left("tea", "bob", "")),
            (["left", "tea", "bob", "bye"], parley.Left("tea", "bob", "bye")),
            (["topic", "tea", "bob", ""], parley.TopicSet("tea", "bob", "")),
            (["deleted", "tea", ""], parley.Deleted("tea", "")),
            (["room", "tea"], parley.Push(("room", "tea"))),
            (["from", "tomorrow"], parley.Push(("from", "tomorrow"))),
            ([""], parley.Push(("",))),
        ]:
            self.assertEqual(parley._event(fields), event)

    def test_errors(self):
        error = parley.ParleyError("not_logged_in", "log in first")
        self.assertIsInstance(error, parley.NotLoggedIn)
        self.assertEqual((error.type, error.info, error.fatal), ("not_logged_in", "log in first", False))
        self.assertEqual(str(error), "not_logged_in: log in first")
        self.assertEqual(parley.Error("of_tomorrow", "x").type, "of_tomorrow")
        self.assertEqual(parley.NotAMember.type, "not_a_member")
        self.assertIsInstance(parley.ParleyError("timeout"), TimeoutError)
        self.assertIsInstance(parley.Disconnected(info="x"), ConnectionError)

    def test_every_error_type_of_the_protocol_has_a_class(self):
        page = HERE.parent.parent / "docs" / "commands.md"
        table = page.read_text().partition("## Error types")[2].partition("## Limits")[0]
        types = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
        self.assertGreater(len(types), 15)
        self.assertEqual([kind for kind in types if kind not in parley.ParleyError._classes], [])

    def test_every_command_of_the_protocol_is_a_method(self):
        page = HERE.parent.parent / "docs" / "commands.md"
        commands = re.findall(r"^\| `(\w+)` \|", page.read_text().partition("## Error types")[0], re.MULTILINE)
        self.assertGreater(len(commands), 15)
        own = [command for command in commands if command in ("req", "return")]  # the clients' own business
        self.assertEqual([command for command in commands if not hasattr(parley.Client, command)], own)

    def test_addresses(self):
        self.assertEqual(parley._address("text://localhost"), (("localhost", 7700), False))
        self.assertEqual(parley._address("texts://[::1]:1"), (("::1", 1), True))
        self.assertEqual(parley._address("text+unix:///a%20b"), ("/a b", False))
        for bad in ("", "localhost:7700", "http://localhost", "text://", "text://a@b", "text://a/b", "text+unix://a/b",
                    "line://a"):
            with self.assertRaises(ValueError):
                parley._address(bad)
        for bad in ({"user": "a"}, {"password": "a"}, {"user": "a", "password": "b", "guest": "c"}):
            with self.assertRaises(ValueError):
                parley.connect(**bad)


class Resuming(unittest.TestCase):
    """The session without I/O comes back; the test is the server, so that all comes in the worst order."""

    def setUp(self):
        self.core = parley._Core(("login", "me", "secret"), reconnect=True)
        self.core.connected()
        self.answer(["login", "me", "secret"], ["ok"])

    def answer(self, request, answer):
        """The next request has to be this one."""
        if not hasattr(self, "requests") or not self.requests:
            self.requests = list(parley.Decoder().feed(b"".join(self.core.out)))
            self.core.out.clear()
        _, number, *fields = self.requests.pop(0)
        self.assertEqual(fields, request)
        self.core.feed(parley.encode(["req", number, *answer]))

    def push(self, *fields):
        self.core.feed(parley.encode(fields))

    def join(self, room, last=""):
        reply = parley._Verbs.join(mock.Mock(_core=self.core, _finish=lambda reply: reply), room)
        self.answer(["history", room, "", "", "1"], ["history"] + ([last, "t", "u", "x"] if last else []))
        self.answer(["join", room], ["ok"])
        reply.result()

    def come_back(self):
        self.core.lost()
        self.requests = []
        self.core.connected()
        self.answer(["login", "me", "secret"], ["ok"])

    def events(self):
        events = [self.core.next_event() for _ in range(len(self.core.events))]
        return [event.id if isinstance(event, parley.Said) else event for event in events]

    def test_pushes_before_during_and_after_the_history(self):
        self.join("tea")
        self.push("room", "tea", "bob", "1", "t", "x")
        self.come_back()
        self.answer(["join", "tea"], ["ok"])
        self.push("room", "tea", "bob", "3", "t", "x")
        self.answer(["history", "tea", "after", "1", "200"], ["history", "2", "t", "bob", "x", "3", "t", "bob", "x"])
        self.push("room", "tea", "bob", "4", "t", "x")
        self.answer(["history", "tea", "after", "3", "200"], ["history"])
        self.push("room", "tea", "bob", "5", "t", "x")
        self.assertEqual(self.events(), ["1", "2", "3", "4", parley.Reconnected(), "5"])

    def test_lost_again_and_again(self):
        self.join("tea", "1")
        post = self.core.submit(parley.Reply(("post", "tea", "k", "x"), parley._posted))
        other = self.core.submit(parley.Reply(("say", "tea", "x"), parley._posted))
        self.come_back()  # lost after login
        self.assertIsInstance(other.error, parley.Disconnected)
        self.come_back()
        self.answer(["join", "tea"], ["ok"])  # lost while the post is repeated
        self.assertEqual([list(parley.Decoder().feed(b"".join(self.core.out)))[0][2:]], [["post", "tea", "k", "x"]])
        self.come_back()
        self.assertEqual(self.core.out[1:], [])
        self.answer(["join", "tea"], ["ok"])
        self.answer(["post", "tea", "k", "x"], ["ok", "2", "t"])
        self.answer(["history", "tea", "after", "1", "200"], ["history", "2", "t", "me", "x", "3", "t", "bob", "x"])
        self.come_back()  # lost in the history: what was read is not read again, and the own post stays unseen
        self.answer(["join", "tea"], ["ok"])
        self.answer(["history", "tea", "after", "3", "200"], ["history"])
        self.assertEqual(self.events(), ["3", parley.Reconnected()])
        self.assertEqual(post.result(), parley.Posted("2", "t"))
        self.assertEqual(self.core.under_way, 0)

    def test_rooms_that_are_gone(self):
        self.join("tea", "1-1")
        self.join("milk", "2-1")
        self.come_back()
        self.answer(["join", "tea"], ["error", "nonfatal", "room_not_found", "x"])
        self.answer(["join", "milk"], ["ok"])  # but it is another one
        self.answer(["history", "milk", "after", "2-1", "200"], ["error", "nonfatal", "syntax", "x"])
        self.answer(["history", "milk", "after", "", "200"], ["history", "3-1", "t", "bob", "x"])
        self.answer(["history", "milk", "after", "3-1", "200"], ["history"])
        self.assertEqual(self.events(), [parley.Deleted("tea", ""), "3-1", parley.Reconnected()])
        self.come_back()
        self.answer(["join", "milk"], ["ok"])

    def test_another_identity_forgets(self):
        self.join("tea", "1")
        self.core.submit(parley.Reply(("provide", "brew", "0", "0", "")))
        self.core.submit(parley.Reply(("login", "you", "secret")))
        self.answer(["provide", "brew", "0", "0", ""], ["ok"])
        self.answer(["login", "you", "secret"], ["ok"])
        self.core.lost()
        self.core.connected()
        self.answer(["login", "you", "secret"], ["ok"])
        self.assertEqual(self.core.state, parley.UP)

    def test_a_post_is_given_up_while_it_is_repeated(self):
        post = self.core.submit(parley.Reply(("post", "tea", "k", "x"), parley._posted))
        self.come_back()
        self.core._asked -= 31
        self.core.tick()
        self.assertIsInstance(post.error, parley.Timeout)
        self.answer(["post", "tea", "k", "x"], ["ok", "2", "t"])
        self.assertEqual((self.core.state, self.core.under_way), (parley.UP, 0))

    def test_refusals(self):
        for kind, state in (("unavailable", parley.DOWN), ("name_taken", parley.DOWN),
                            ("wrong_user_or_password", parley.OVER)):
            self.setUp()
            self.core.lost()
            self.core.connected()
            waiting = self.core.submit(parley.Reply(("whoami",)))
            self.answer(["login", "me", "secret"], ["error", "nonfatal", kind, "x"])
            self.assertEqual(self.core.state, state)
            self.assertEqual(waiting.done, state == parley.OVER)


class Sync(unittest.TestCase):
    def test_verbs(self):
        user = next(names)
        with connect() as guest, parley.connect(server.url) as client:
            client.register(user, "correct horse")
            client.login(user, "correct horse")
            self.assertEqual(client.whoami(), user)
            tea = room(client)
            self.assertIn(tea, client.rooms())
            client.join(tea)
            guest.join(tea)
            self.assertEqual(take(client, 1), [parley.Joined(tea, guest.whoami())])
            self.assertEqual(client.members(tea), sorted([user, guest.whoami()]))
            self.assertEqual(client.myrooms(), [tea])
            client.topic(tea, "a, \\ topic")
            self.assertEqual(client.topic(tea), "a, \\ topic")
            said = client.say(tea, "one")
            told = client.tell(user, "to myself")
            client.post(tea, "two", "k1")
            self.assertEqual(client.post(tea, "two", "k1"), client.history(tea)[-1][:2])
            self.assertEqual([m.text for m in client.history(tea)], ["one", "two"])
            self.assertEqual([m.text for m in client.history(tea, after=said.id)], ["two"])
            self.assertEqual([m.text for m in client.history(tea, before=client.history(tea)[-1].id)], ["one"])
            self.assertEqual([m.text for m in client.history(tea, after="", limit=1)], ["one"])
            self.assertEqual(client.history("@" + user)[0].id, told.id)
            self.assertEqual(client.send(guest.whoami(), "light", "on"), None)
            self.assertEqual(guest.tell(user, "hello").id, "")
            self.assertEqual(take(client, 2), [parley.Told(user, "", "", "", "to myself"),
                                               parley.Told(guest.whoami(), "", "", "", "hello")])
            client.copies()
            copied = client.tell(user, "again")
            self.assertEqual(take(client, 1), [parley.Told(user, user, *copied, "again")])
            client.copies(False)
            self.assertEqual([type(e).__name__ for e in take(guest, 4)], ["TopicSet", "Said", "Said", "Sent"])
            self.assertTrue(client.help("nop")[0].startswith("nop"))
            self.assertGreater(len(client.help()), 10)
            self.assertIn(user, client.users())
            client.passwd("correct horse", "battery staple")
            client.leave(tea)
            self.assertEqual(take(guest, 1), [parley.Left(tea, user, "")])
            client.logout()
            with self.assertRaises(parley.NotLoggedIn):
                client.whoami()
            client.login(user, "battery staple")
            self.assertIsNone(client.nop())
            self.assertEqual(client.do("whoami"), ["user", user])

    def test_lists_come_whole(self):
        with connect() as client:
            prefix = next(names)
            made = [f"{prefix}-{number:04}" for number in range(1100)]
            with client.pipeline() as p:
                for name in made:
                    p.new(name)
                rooms = p.rooms()
            self.assertEqual([name for name in rooms.result() if name.startswith(prefix)], made)

    def test_errors(self):
        with connect() as client:
            with self.assertRaises(parley.RoomNotFound) as caught:
                client.say("attic", "x")
            self.assertFalse(caught.exception.fatal)
            with self.assertRaises(parley.CommandNotFound):
                client.do("brew", "tea")
            with self.assertRaises(parley.RequestTooLong):
                client.say("lobby", "x" * 70000)
            with self.assertRaises(parley.Syntax):
                client.do("nop", *["x"] * 1030)
            client.nop()
        with self.assertRaises(parley.Disconnected):
            client.nop()
        self.assertEqual(list(client.events()), [])
        with self.assertRaises(parley.WrongUserOrPassword):
            parley.connect(server.url, "nobody", "nothing")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with self.assertRaises(ConnectionError):
            parley.connect(f"text://127.0.0.1:{port}")

    def test_pipeline(self):
        with connect() as client, connect() as other:
            tea = room(client)
            other.join(tea)
            under_way = []
            with client.pipeline() as p:
                replies = []
                for number in range(1500):
                    replies.append(p.say(tea, f"{number} " + "x" * 100))
                    under_way.append(client._core.under_way)
                with self.assertRaises(RuntimeError):
                    p.nop().result()
            ids = [reply.result().id for reply in replies]
            self.assertEqual(ids, sorted(set(ids)))
            self.assertEqual([event.id for event in take(other, 1500)], ids)
            self.assertTrue(parley.WINDOW / 2 < max(under_way) <= parley.WINDOW, max(under_way))
            with self.assertRaises(parley.RoomNotFound):
                with client.pipeline() as p:
                    p.nop()
                    p.say("attic", "x")
                    last = p.say(tea, "last")
            self.assertGreater(last.result().id, ids[-1])
            with client.pipeline(check=False) as p:
                lost = p.say("attic", "x")
            self.assertIsInstance(lost.error, parley.RoomNotFound)
            with client.pipeline() as p:  # answers that are much larger than their requests
                pages = [p.history(tea, limit=200) for _ in range(200)]
            self.assertEqual({len(page.result()) for page in pages}, {200})

    def test_events_end(self):
        with connect() as client:
            self.assertEqual(list(client.events(timeout=0.01)), [])
            client.tell(client.whoami(), "x")
            self.assertEqual(len(list(client.events(timeout=0.01))), 1)

    def test_timeout(self):
        def silent(link):
            while link.recv(4096):
                pass
        with Peer(silent) as peer, parley.connect(peer.url, timeout=0.05) as client:
            with self.assertRaises(parley.Timeout):
                client.nop()
            with self.assertRaises(TimeoutError):
                with client.pipeline() as p:
                    p.nop()
            self.assertEqual(client._core.under_way, 0)

    def test_late_answers_are_ignored(self):
        go = threading.Event()

        def late(link):
            go.wait(PATIENCE)
            decoder, got = parley.Decoder(), 0
            while got < 2:
                got += len(list(decoder.feed(link.recv(4096))))
            link.sendall(parley.encode(["req", "1", "user", "late"]) + parley.encode(["req", "2", "user", "right"]))
            link.recv(4096)
        with Peer(late) as peer, parley.connect(peer.url, timeout=0.05) as client:
            with self.assertRaises(parley.Timeout):
                client.whoami()
            go.set()
            client._core.timeout = PATIENCE
            self.assertEqual(client.whoami(), "right")

    def test_keepalive(self):
        def count(link):
            for number in range(1, 4):
                assert b"nop" in link.recv(4096)
                link.sendall(parley.encode(["req", str(number)]))
            link.sendall(parley.encode(["from", "tomorrow"]))
            link.recv(4096)
        with Peer(count) as peer, parley.connect(peer.url, keepalive=0.01) as client:
            self.assertEqual(next(client.events()), parley.Push(("from", "tomorrow")))

    def test_broken_servers(self):
        for data in (b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(b"\xff"), b"\xff\xff\xff\xff\xff", frame(b"req,1\\")):
            def script(link):
                link.recv(4096)
                link.sendall(data)
                link.recv(4096)
            with self.subTest(data), Peer(script) as peer, parley.connect(peer.url) as client:
                with self.assertRaises(parley.Disconnected) as caught:
                    client.nop()
                self.assertIsInstance(caught.exception.__cause__, parley.ProtocolError)

    def test_answers_that_make_no_sense(self):
        def script(link):
            link.recv(4096)
            link.sendall(b"".join(map(parley.encode, (["req", "1", "user"], ["req", "9", "x"], ["req"]))))
            link.recv(4096)
            link.sendall(parley.encode(["req", "2", "error"]))
            link.recv(4096)
        with Peer(script) as peer, parley.connect(peer.url) as client:
            with self.assertRaises(parley.ProtocolError):
                client.whoami()
            with self.assertRaises(parley.ParleyError):
                client.whoami()

    def test_farewell(self):
        def script(link):
            link.recv(4096)
            link.sendall(parley.encode(["joined", "tea", "bob"]))
            link.sendall(parley.encode(["error", "fatal", "unavailable", "shutting down"]))
        with Peer(script) as peer, parley.connect(peer.url) as client:
            with self.assertRaises(parley.Disconnected) as caught:
                client.nop()
            self.assertIsInstance(caught.exception.__cause__, parley.Unavailable)
            self.assertTrue(caught.exception.__cause__.fatal)
            events = client.events()
            self.assertEqual(next(events), parley.Joined("tea", "bob"))
            with self.assertRaises(parley.Disconnected):
                next(events)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as path, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path + "/text.sock")
            listener.listen()
            proxy = Proxy(listener)
            with connect(f"text+unix://{path}/text.sock") as client:
                client.nop()

            async def main():
                async with await parley.aconnect(f"text+unix://{path}/text.sock") as client:
                    await client.nop()
            asyncio.run(main())
            proxy.close()

    def test_tls(self):
        openssl = shutil.which("openssl")
        if openssl is None:
            self.skipTest("there is no openssl here: TLS was NOT tried")
        with tempfile.TemporaryDirectory() as path:
            subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-keyout", path + "/key", "-out", path + "/cert", "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                           check=True, capture_output=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path + "/cert", path + "/key")
            proxy = Proxy(context=context)
            url = proxy.url.replace("text://127.0.0.1", "texts://localhost")
            trusting = ssl.create_default_context(cafile=path + "/cert")
            with connect(url, tls=trusting) as client:
                self.assertEqual(client.do("echo", "x" * 60000), ["x" * 60000])
                with client.pipeline() as p:
                    replies = [p.whoami() for _ in range(2000)]
                self.assertEqual({reply.result() for reply in replies}, {client.whoami()})

            async def main():
                async with await parley.aconnect(url, guest=next(names), tls=trusting) as client:
                    self.assertEqual(await client.do("echo", "x" * 60000), ["x" * 60000])
                with self.assertRaises(parley.Disconnected):
                    await parley.aconnect(url)
            asyncio.run(main())
            with self.assertRaises(parley.Disconnected):  # not trusted
                parley.connect(url)
            proxy.close()


def in_loop(test):
    return functools.wraps(test)(lambda self: asyncio.run(asyncio.wait_for(test(self), 2 * PATIENCE)))


class Async(unittest.TestCase):
    async def connect(self):
        return await parley.aconnect(server.url, guest=next(names))

    @in_loop
    async def test_verbs(self):
        async with await self.connect() as client, await self.connect() as other:
            tea = next(names)
            await client.new(tea)
            await asyncio.gather(client.join(tea), other.join(tea))
            self.assertIn(tea, await client.rooms())
            posted = await asyncio.gather(*(client.say(tea, str(number)) for number in range(1000)))
            self.assertEqual([p.id for p in posted], sorted({p.id for p in posted}))
            seen = []
            async for event in other.events():
                if isinstance(event, parley.Said):
                    seen.append(event.id)
                    if len(seen) == 1000:
                        break
            self.assertEqual(seen, [p.id for p in posted])
            with self.assertRaises(parley.RoomNotFound):
                await client.say("attic", "x")
            with self.assertRaises(parley.RequestTooLong):
                client.say(tea, "x" * 70000)
        with self.assertRaises(parley.Disconnected):
            await client.nop()
        self.assertEqual([event async for event in client.events() if not isinstance(event, parley.Joined)], [])
        with self.assertRaises(parley.WrongUserOrPassword):
            await parley.aconnect(server.url, "nobody", "nothing")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with self.assertRaises(parley.Disconnected):
            await parley.aconnect(f"text://127.0.0.1:{port}")

    @in_loop
    async def test_calls_share_writes(self):
        async with await self.connect() as client:
            writes, transport = [], client._transport
            client._transport = mock.Mock(write=lambda data: (writes.append(data), transport.write(data)))
            replies = [client.nop() for _ in range(100)]
            await asyncio.sleep(0)
            client._transport = transport
            await asyncio.gather(*replies)
            self.assertEqual(len(writes), 1)

    @in_loop
    async def test_cancelled_requests(self):
        async with await self.connect() as client:
            task = asyncio.ensure_future(client.whoami())
            task.cancel()
            await client.nop()
            self.assertTrue(task.cancelled())
            self.assertEqual(client._core.under_way, 0)

    @in_loop
    async def test_timeout_and_loss(self):
        go = threading.Event()

        def silent(link):
            go.wait(PATIENCE)
            link.sendall(parley.encode(["error", "fatal", "slow_consumer", "x"]))
        with Peer(silent) as peer:
            client = await parley.aconnect(peer.url, timeout=0.05)
            with self.assertRaises(parley.Timeout):
                await client.nop()
            with self.assertRaises(parley.Timeout):
                await client.nop()
            go.set()
            with self.assertRaises(parley.Disconnected) as caught:
                async for _ in client.events():
                    pass
            self.assertIsInstance(caught.exception.__cause__, parley.SlowConsumer)
            await client.close()

    @in_loop
    async def test_lost_before_it_was_there(self):
        """The end of a new connection is heard before its beginning."""
        proxy = Proxy()
        self.addCleanup(proxy.close)
        async with await parley.aconnect(proxy.url, guest=next(names), reconnect=True, timeout=1000) as client:
            dial = client._loop.create_connection

            async def unlucky(*args, **more):
                client._loop.create_connection = dial
                transport, link = await dial(*args, **more)
                link.eof_received()
                return transport, link
            client._loop.create_connection = unlucky
            proxy.cut()
            async for event in client.events():
                self.assertEqual(event, parley.Reconnected())
                break

    @in_loop
    async def test_close_ends_all(self):
        client = await self.connect()
        waiting = asyncio.ensure_future(client.events().__anext__())
        await asyncio.sleep(0)
        await client.close()
        with self.assertRaises(StopAsyncIteration):
            await waiting


class Modules(unittest.TestCase):
    def test_calls(self):
        with connect() as client:
            for prefix in ("", "a-"):
                with self.subTest(prefix=prefix):
                    self.assertEqual(client.do(prefix + "echo", "a,b", "", "\\"), ["a,b", "", "\\"])
                    self.assertEqual(client.do(prefix + "echo"), [])
                    self.assertEqual(client.do(prefix + "who"), ["who", client.whoami()])
                    self.assertEqual(client.do(prefix + "half", 3), ["1.5"])
                    with self.assertRaises(parley.Syntax):
                        client.do(prefix + "half")
                    with self.assertRaises(parley.Unhandled):
                        client.do(prefix + "half", "x")
                    with self.assertRaises(parley.ParleyError) as caught:
                        client.do(prefix + "fail", "no_such_die", "a die, please")
                    self.assertEqual((caught.exception.type, caught.exception.info), ("no_such_die", "a die, please"))
                    with self.assertRaises(parley.RequestTooLong):  # no frame holds the return
                        client.do(prefix + "big", 70000)
                    with client.pipeline() as p:
                        replies = [p.do(prefix + "echo", number) for number in range(2000)]
                    self.assertEqual([reply.result() for reply in replies], [[str(number)] for number in range(2000)])
            self.assertEqual(client.help("who"), [client.help("who")[0]])
            self.assertIn("tells who calls", client.help("who")[0])
            programs = {program.name: program for program in client.modules()}
            self.assertEqual(programs["plain"].state, "running")
            self.assertEqual(set(programs["plain"].commands), {"echo", "who", "half", "big", "fail", "whisper"})
            self.assertGreater(programs["plain"].calls, 2000)
        log = (server.dir / "log").read_text()
        for line in ("this must not be a frame", "nor this", "ValueError: invalid literal"):
            self.assertIn(line, log)

    def test_verbs_in_handlers(self):
        with connect() as client:
            self.assertEqual(client.do("whisper", client.whoami(), "psst"), ["done"])
            self.assertEqual(client.do("awhisper", client.whoami(), "psst"), ["done"])
            self.assertEqual([event.user for event in take(client, 2)], ["plain", "async"])
            for command in ("whisper", "awhisper"):
                with self.assertRaises(parley.UserNotFound):  # of the handler's own request
                    client.do(command, "nobody-at-all", "psst")

    def test_async_handlers_overlap(self):
        with connect() as client, connect() as other:
            with client.pipeline() as p, other.pipeline() as q:
                waits = [p.do("wait"), p.do("wait")]
                client._flush()
                until(lambda: not server.process.poll() and next(m for m in other.modules() if m.name == "async"))
                # The two wait until others call; how soon they have arrived is the server's business.
                for word in ("one", "two"):
                    until(lambda: attempt(other, "wake", word))
            self.assertEqual([wait.result() for wait in waits], [["waited", "one"], ["waited", "two"]])
            with self.assertRaises(parley.Unhandled):
                client.do("afail")

    def test_ask(self):
        with connect() as client:
            for name in ("plain", "async"):
                self.assertEqual(client.ask(name, "secret", "x"), ["secret", "x", client.whoami()])
                with self.assertRaises(parley.CommandNotFound):
                    client.ask(name, "nothing")
                with self.assertRaises(parley.Syntax):
                    client.ask(name, "secret", "x", "y")
            with self.assertRaises(parley.CommandNotFound):
                client.do("secret", "x")

    def test_calls_as_events(self):
        with connect() as client, connect(user="provider") as provider:
            name = client.whoami()
            provider.provide("brew", 1, 2, "makes a drink")
            with client.pipeline(check=False) as p:
                replies = [p.do("brew", "tea"), p.do("brew", "coffee"), p.ask("provider", "status")]
                client._flush()
                for call, respond in zip(provider.events(PATIENCE), (
                        lambda call: call.answer("brewed", 1), lambda call: call.refuse("teapot", "short and stout"),
                        lambda call: call.answer())):
                    self.assertEqual(call.caller, name)
                    respond(call)
                    if call.command == "status":
                        break
            self.assertEqual(replies[0].result(), ["brewed", "1"])
            self.assertEqual(replies[1].error.type, "teapot")
            self.assertEqual(replies[2].result(), [])
            provider.withdraw("brew")
            with self.assertRaises(parley.CommandNotFound):
                client.do("brew", "tea")
            with self.assertRaises(parley.Forbidden):
                client.provide("brew")

    def test_a_call_of_an_earlier_connection(self):
        """Its number may be that of another call by now."""
        with connect() as client:
            call = parley.Call(client, "1", "brew", "bob")
            with mock.patch.object(client, "_flush"):
                client._core.session += 1
                call.answer("late")
                self.assertEqual(client._core.out, [])
                client._core.session -= 1
                call.answer("in time")
                self.assertEqual(client._core.out, [parley.encode(["return", "1", "in time"])])

    def test_over_a_socket(self):
        proxy = Proxy()
        self.addCleanup(proxy.close)
        for script in ("plain", "async"):
            source = (server.dir / f"{script}.py").read_text()
            mine = server.dir / f"my-{script}.py"
            mine.write_text(re.sub(r'command\("(a-)?', f'command("my-{script}-', source))
            process = subprocess.Popen([sys.executable, "-B", str(mine)], stdout=subprocess.PIPE, env={
                **os.environ, "PARLEY_URL": proxy.url, "PARLEY_USER": "provider", "PARLEY_PASSWORD": "correct horse"})
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            # This is not the server's child, so what it prints is not for a log.
            self.assertEqual(process.stdout.readline(), b"this must not be a frame\n")
        with connect() as client:
            for script in ("plain", "async"):
                until(lambda: attempt(client, f"my-{script}-whisper", client.whoami(), "ready"))
            self.assertEqual(client.ask("provider", "secret", "x"), ["secret", "x", client.whoami()])
            proxy.cut()  # they come back, and provide again
            for script in ("plain", "async"):
                until(lambda: attempt(client, f"my-{script}-who") == ["who", client.whoami()])

    def test_scripted(self):
        """Several calls in one packet are answered with one write; slow ones do not hold back the others' answers."""
        near, far = socket.socketpair()
        module = parley.Module()
        module._link = near

        @module.command("fast")
        def fast(call, n, extra="-"):
            "a help"
            return [n, extra]

        @module.handle("slow")
        def slow(call):
            time.sleep(0.05)

        thread = threading.Thread(target=module.run)
        thread.start()
        decoder = parley.Decoder()
        self.assertEqual(list(decoder.feed(far.recv(65536))), [["req", "1", "provide", "fast", "1", "2", "a help"]])
        calls = b"".join(parley.encode(["call", str(n), "fast", "", "x"]) for n in range(9))
        far.sendall(parley.encode(["req", "1", "ok"]) + calls)
        got = []
        while len(got) < 9:
            got += decoder.feed(far.recv(65536))
        self.assertEqual(got, [["return", str(n), "x", "-"] for n in range(9)])
        far.sendall(parley.encode(["call", "9", "slow", ""]) + parley.encode(["call", "10", "slow", ""]))
        self.assertEqual(list(decoder.feed(far.recv(65536))), [["return", "9"]])
        self.assertEqual(list(decoder.feed(far.recv(65536))), [["return", "10"]])
        far.close()
        thread.join(PATIENCE)
        self.assertFalse(thread.is_alive())

    def test_values(self):
        for result, values in ((None, []), ("a", ["a"]), (1, ["1"]), (1.5, ["1.5"]), (["a", 2], ["a", "2"]), ((), [])):
            self.assertEqual(list(parley._values(result)), values)
        with self.assertRaises(TypeError):
            parley._values({"a": 1})

    def test_arity(self):
        self.assertEqual(parley._arity(lambda call: 0), (0, 0))
        self.assertEqual(parley._arity(lambda call, a, b="": 0), (1, 2))
        self.assertEqual(parley._arity(lambda call, a, *more: 0), (1, -1))
        self.assertEqual(parley._arity(lambda call, a, *, option=1: 0), (1, 1))


def attempt(client, *fields):
    """The answer, or None while it is an error."""
    try:
        return client.do(*fields) or True
    except parley.ParleyError:
        return None


class Reconnect(unittest.TestCase):
    def setUp(self):
        self.proxy = Proxy()
        self.addCleanup(self.proxy.close)
        quick = mock.patch("parley.random.uniform", lambda least, most: random.random() * min(most, 1) / 50)
        self.addCleanup(quick.stop)
        quick.start()

    def connect(self, **options):
        return parley.connect(self.proxy.url, "traveller", "correct horse", reconnect=True, **options)

    def test_without_it(self):
        with connect(self.proxy.url) as client:
            self.proxy.cut()
            with self.assertRaises(parley.Disconnected):
                client.nop()
            with self.assertRaises(parley.Disconnected):
                next(client.events())

    def test_resumes(self):
        with connect(self.proxy.url, reconnect=True) as client, connect() as other:
            user = client.whoami()
            tea, quiet = room(other), room(other)
            other.say(quiet, "before")
            client.join(tea.upper())
            client.join(quiet)
            client.copies()
            expected = [other.say(tea, "seen").id]
            self.assertEqual(take(client, 1)[0].id, expected[0])
            own = client.say(tea, "mine")
            self.proxy.cut(closed=True)
            with other.pipeline() as p:
                replies = [p.say(tea, str(number)) for number in range(450)] + [p.say(quiet, "after")]
            expected = sorted(reply.result().id for reply in replies)  # the order is that of each room
            self.proxy.open = True
            until(lambda: attempt(client, "whoami") == ["user", user])  # Disconnected for what was under way
            events = take(client, 452)
            for name in (tea, quiet):
                ids = [e.id for e in events[:-1] if e.room == name]
                self.assertEqual(ids, sorted(ids))
            self.assertEqual(sorted(e.id for e in events[:-1]), expected)
            self.assertNotIn(own.id, expected)
            self.assertEqual(events[-1], parley.Reconnected())
            expected = other.say(tea, "live").id
            self.assertEqual(take(client, 1)[0].id, expected)
            copied = client.tell(user, "a copy")
            self.assertEqual(take(client, 1), [parley.Told(user, user, *copied, "a copy")])

    def test_post_is_said_once(self):
        user = "traveller"
        with self.connect() as client, connect() as other:
            tea = room(other)
            client.join(tea)
            other.join(tea)
            take(client, 1)
            self.proxy.deaf = True
            posted = []
            thread = threading.Thread(target=lambda: posted.append(client.post(tea, "once")))
            thread.start()
            said = take(other, 1)[0]
            until(lambda: not thread.is_alive() or client._core._pending)
            self.assertFalse(posted)
            other.say(tea, "meanwhile")
            self.proxy.deaf = False
            self.proxy.cut()
            thread.join(PATIENCE)
            self.assertEqual(posted[0].id, said.id)
            self.assertEqual([m.text for m in other.history(tea)], ["once", "meanwhile"])
            events = [e for e in take(client, 2) if isinstance(e, parley.Said)]
            self.assertEqual([e.text for e in events], ["meanwhile"])
            self.assertEqual(client._core.under_way, 0)

    def test_refused_for_good(self):
        with self.connect() as client:
            client._core.memory.identity = ("login", "traveller", "of yesterday")
            self.proxy.cut()
            with self.assertRaises(parley.WrongUserOrPassword):
                for _ in client.events():
                    pass
            with self.assertRaises(parley.WrongUserOrPassword):
                client.nop()

    def test_guest_comes_back(self):
        with connect(self.proxy.url, reconnect=True) as client:
            name = client.whoami()
            self.proxy.cut()
            self.assertEqual(next(client.events()), parley.Reconnected())
            self.assertEqual(client.whoami(), name)

    def test_unreachable_is_a_timeout(self):
        with connect(self.proxy.url, reconnect=True) as client:
            client._core.timeout = 0.1
            self.proxy.cut(closed=True)
            with self.assertRaises((parley.Disconnected, parley.Timeout)):
                client.nop()
            with self.assertRaises(parley.Timeout):
                client.nop()
            while client._core.state != parley.DOWN:
                self.assertEqual(list(client.events(timeout=0.01)), [])
            client._core._retry_at, begun = time.monotonic() + PATIENCE, self.proxy.knocks
            for _ in range(5):
                self.assertEqual(list(client.events(timeout=0.01)), [])
            self.assertEqual(self.proxy.knocks, begun)  # there is a pause between two attempts, whatever is asked
            client._core._retry_at, self.proxy.open = 0, True
            client._core.timeout = PATIENCE
            client.nop()

    def test_deaf_connection_is_given_up(self):
        with connect(self.proxy.url, reconnect=True) as client:
            name = client.whoami()
            client._core.timeout = 0.1
            self.proxy.deaf = True
            with self.assertRaises(parley.Timeout):
                client.nop()
            self.proxy.deaf = False
            client._core.timeout = PATIENCE
            self.assertEqual(client.whoami(), name)
            self.assertGreater(client._core.session, 1)

    def chaos(self, tea, ready, speak, rounds):
        """Another speaks while the connection is cut again and again."""
        rng = random.Random()
        with connect() as other:
            expected = []
            ready.wait(PATIENCE)
            for number in range(rounds):
                self.proxy.deaf = rng.random() < 0.3
                with other.pipeline() as p:
                    replies = [p.say(tea, f"{number} {n}") for n in range(rng.randrange(1, 40))]
                expected += [reply.result().id for reply in replies]
                if self.proxy.deaf or rng.random() < 0.3:
                    self.proxy.cut(closed=True)
                    self.proxy.deaf, self.proxy.open = False, True
            other.say(tea, "end")
        speak.extend(expected)

    def test_chaos(self):
        user, rounds = "traveller", 60 if PROOF else 8
        with connect() as other:
            tea = room(other)
        expected, ready, mine = [], threading.Event(), []
        thread = threading.Thread(target=self.chaos, args=(tea, ready, expected, rounds))
        thread.start()
        with self.connect() as client:
            client.join(tea)
            ready.set()
            seen = []
            for event in client.events(timeout=PATIENCE):
                if isinstance(event, parley.Said):
                    if event.text == "end":
                        break
                    seen.append(event.id)
                    if len(seen) % 20 == 0:
                        mine.append(client.post(tea, f"mine {len(seen)}").id)
            thread.join(PATIENCE)
            self.assertEqual(seen, expected)
            self.assertEqual(len(mine), len(set(mine)))
            self.assertEqual(client._core.under_way, 0)
        self.check_history(tea, user, mine)

    def check_history(self, tea, user, mine):
        with connect() as other:
            kept, last = [], ""
            while True:
                page = other.history(tea, after=last, limit=200)
                if not page:
                    break
                kept += [m.id for m in page if m.user == user]
                last = page[-1].id
            self.assertEqual(kept, mine)

    def test_async_chaos(self):
        user, rounds = "traveller", 60 if PROOF else 8
        with connect() as other:
            tea = room(other)
        expected, ready, mine, seen = [], threading.Event(), [], []
        thread = threading.Thread(target=self.chaos, args=(tea, ready, expected, rounds))
        thread.start()

        async def main():
            async with await parley.aconnect(self.proxy.url, user, "correct horse", reconnect=True) as client:
                await client.join(tea)
                ready.set()
                posts = []
                async for event in client.events():
                    if isinstance(event, parley.Said):
                        if event.text == "end":
                            break
                        seen.append(event.id)
                        if len(seen) % 20 == 0:
                            posts.append(client.post(tea, f"mine {len(seen)}"))
                mine.extend(posted.id for posted in await asyncio.gather(*posts))
                self.assertEqual(client._core.under_way, 0)
        asyncio.run(asyncio.wait_for(main(), 2 * PATIENCE))
        thread.join(PATIENCE)
        self.assertEqual(seen, expected)
        self.check_history(tea, user, sorted(mine))

    def test_async_waits_for_the_connection(self):
        async def main():
            async with await parley.aconnect(self.proxy.url, guest=next(names), reconnect=True) as client:
                name = await client.whoami()
                self.proxy.cut(closed=True)
                while client._core.state != parley.DOWN:
                    await asyncio.sleep(0.001)
                later = asyncio.gather(client.whoami(), client.nop())
                await asyncio.sleep(0)
                self.proxy.open = True
                self.assertEqual((await later)[0], name)
        asyncio.run(asyncio.wait_for(main(), PATIENCE))


class Examples(unittest.TestCase):
    def test_readme(self):
        programs = re.findall(r"```python\n(.*?)```", (HERE / "README.md").read_text(), re.DOTALL)
        self.assertEqual(len(programs), 4)
        robot, errors, with_asyncio, dice = [program.replace(parley.URL, server.url) for program in programs]
        process = self.start(robot)
        with connect() as client:
            self.assertRegex(process.stdout.readline(), r"^1-\w+\n$")
            client.tell("robot", "hello")
            self.assertEqual(take(client, 1)[0][::4], ("robot", "you said: hello"))
        self.assertEqual(self.end(process), "")
        with connect() as client:
            for program, prints in ((errors, r"^there is no room attic.*\n1000 messages\n$"),
                                    (with_asyncio, r"^\['one', 'two', 'three'\]\n$")):
                until(lambda: "robot" not in client.users())
                self.assertRegex(self.end(self.start(program)), prints)
        process = self.start(dice, PARLEY_URL=server.url, PARLEY_USER="provider", PARLEY_PASSWORD="correct horse")
        with connect() as client:
            until(lambda: attempt(client, "dice"))
            self.assertRegex(",".join(client.do("dice", 3, 1)), "^dice,1,1,1$")
            self.assertIn("throws dice", client.help("dice")[0])
            with self.assertRaises(parley.Syntax):
                client.do("dice", 101)
        process.kill()
        process.communicate()

    def start(self, program, **env):
        return subprocess.Popen([sys.executable, "-B", "-u", "-c", program], stdout=subprocess.PIPE, text=True,
                                env={**os.environ, "PYTHONPATH": str(HERE), **env})

    def end(self, process):
        out, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        return out


if __name__ == "__main__":
    unittest.main()
