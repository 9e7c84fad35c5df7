"""A naive server of the CS594 IRC protocol, for the tests of the check.

It does what the protocol says and no more: a thread for each connection, one
read is one message, one write is one message, and nothing marks where a message
ends. With --fault NAME it does one thing wrong.

    python3 naive_line.py [--port PORT] [--fault NAME]

It prints "ready PORT" when it listens.
"""

import argparse
import socket
import threading
import time

FAULTS = {
    "name-in-use": "a name in use is given again",
    "long-name": "a name may have more than twenty characters",
    "two-at-once": "two who come at the same time get the same name",
    "unknown": "an unknown word is answered with another word than Verified",
    "prefix": "a command is known by how a message begins",
    "new-again": "making a room that is there empties it",
    "rooms-own": "rooms lists the rooms that the client is in, not all",
    "join-some": "join enters the rooms that are there, though others are not",
    "leave-all-or-nothing": "leave leaves no room if one is not there",
    "members-ever": "members lists everybody who was ever in the room",
    "not-the-sender": "a text in a room does not come to its sender",
    "cut-at-dash": "a text in a room ends where the next dash is",
    "tell-nobody": "a private text to nobody counts as told",
    "not-oneself": "clients leaves out who asks",
    "exit-stays": "exit does not end the connection",
    "exit-keeps": "exit does not free the name",
    "vanished-keeps": "who goes without exit keeps the name",
    "ascii": "characters beyond ASCII become question marks",
    "half": "messages of more than 2048 bytes lose their end",
}

fault = ""
lock = threading.RLock()
clients = {}  # name: connection
rooms = {}  # room: names of who is in it
ever = {}  # room: names of who was ever in it
left_open = []  # connections that nobody closes


def say(conn, text):
    try:
        if fault == "ascii":
            conn.sendall(text.encode("ascii", "replace"))
        else:
            conn.sendall(text.encode()[:4096])
    except OSError:
        pass  # its own thread will notice


def hear(conn):
    try:
        data = conn.recv(4096)
    except OSError:
        return ""
    if fault == "half":
        data = data[:2048]
    return data.decode(errors="replace").rstrip("\r\n")


def enter(conn):
    """Gives the name of a new client, or nothing."""
    name = hear(conn)
    if not name:
        return ""
    if fault == "two-at-once":
        taken = name in clients
        time.sleep(0.05)
    else:
        lock.acquire()
        taken = name in clients and fault != "name-in-use"
    too_long = len(name) > 20 and fault != "long-name"
    if not taken and not too_long:
        clients[name] = conn
    if fault != "two-at-once":
        lock.release()
    if taken or too_long:
        say(conn, "NAMEERROR")
        return ""
    say(conn, "Hello, " + name)
    return name


def serve(conn):
    name, exiting = enter(conn), False
    while name and not exiting:
        message = hear(conn)
        if not message:
            break
        with lock:
            exiting = handle(name, conn, message)
    if name:
        gone(name, exiting)
    if exiting and fault == "exit-stays":
        left_open.append(conn)
    else:
        conn.close()


def gone(name, exiting):
    with lock:
        for names in rooms.values():
            names.discard(name)
        if fault != ("exit-keeps" if exiting else "vanished-keeps"):
            clients.pop(name, None)


def handle(name, conn, message):
    """Serves a message. It is true if that was the last one."""
    words = message.split(" ")
    for command in COMMANDS:
        if words[0] == command or fault == "prefix" and message.startswith(command):
            COMMANDS[command](name, conn, words[1:])
            return False
    if message == "exit":
        return True
    say(conn, "Unknown command" if fault == "unknown" else "Verified")
    return False


def new(name, conn, names):
    if not names:
        say(conn, "Which room?")
        return
    told = []
    for room in names:
        if room in rooms and fault != "new-again":
            told.append(f"the name {room} is already in use and active")
        else:
            rooms[room] = set()
            ever[room] = set()
            told.append(f"there is a room {room} now")
    say(conn, "; ".join(told))


def list_rooms(name, conn, names):
    shown = [r for r in rooms if name in rooms[r]] if fault == "rooms-own" else rooms
    say(conn, " ".join(shown) or "There are no active rooms")


def join(name, conn, names):
    missing = [room for room in names if room not in rooms]
    told = []
    for room in names:
        if room in missing:
            told.append(f"{room} (not a room)")
        elif missing and fault != "join-some":
            told.append(f"{room} (no)")
        else:
            rooms[room].add(name)
            ever[room].add(name)
            told.append(f"{room} (yes)")
    say(conn, "Joined " + " ".join(told))


def leave(name, conn, names):
    missing = [room for room in names if room not in rooms]
    told = []
    for room in names:
        if room not in missing and not (missing and fault == "leave-all-or-nothing"):
            rooms[room].discard(name)
            told.append(f"{room} (yes)")
        else:
            told.append(f"{room} (no)")
    say(conn, "Left " + " ".join(told))


def members(name, conn, names):
    if len(names) != 1 or names[0] not in rooms:
        say(conn, "Which room?")
        return
    there = ever[names[0]] if fault == "members-ever" else rooms[names[0]]
    say(conn, " ".join(sorted(there)) or "There is nobody")


def send(name, conn, words):
    if "-" not in words:
        say(conn, "Where does the text begin?")
        return
    at = words.index("-")
    text = words[at + 1 :]
    if fault == "cut-at-dash" and "-" in text:
        text = text[: text.index("-")]
    for room in words[:at]:
        if room not in rooms:
            say(conn, f"there is no room {room}")
            continue
        for other in sorted(rooms[room]):
            if other in clients and not (other == name and fault == "not-the-sender"):
                say(clients[other], f"{name} says in room {room} {' '.join(text)}")


def tell(name, conn, words):
    if not words or words[0] not in clients and fault != "tell-nobody":
        say(conn, "Who is that?")
        return
    text = " ".join(words[1:])
    say(conn, f"You tell {words[0]} {text}")
    if words[0] in clients:
        say(clients[words[0]], f"{name} whispers to you {text}")


def list_clients(name, conn, words):
    say(conn, " ".join(c for c in clients if not (c == name and fault == "not-oneself")) or "Nobody")


COMMANDS = {
    "new": new,
    "rooms": list_rooms,
    "join": join,
    "leave": leave,
    "members": members,
    "send": send,
    "tell": tell,
    "clients": list_clients,
}


def main():
    global fault
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", choices=FAULTS, default="")
    options = parser.parse_args()
    fault = options.fault
    with socket.create_server(("127.0.0.1", options.port), backlog=128) as server:
        print("ready", server.getsockname()[1], flush=True)
        while True:
            conn, _ = server.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(conn,), daemon=True).start()


if __name__ == "__main__":
    main()
