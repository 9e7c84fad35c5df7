"""A naive server of the Base/Text-server protocol, for the tests of the check.

It is what somebody writes in an evening: a thread for each connection, all in
memory, and no checks of anything. So it breaks some rules by itself. With
--fault NAME it breaks one more.

    python3 naive_text.py [--port PORT] [--fault NAME]

It prints "ready PORT" when it listens.
"""

import argparse
import socket
import struct
import threading

FAULTS = {
    "wrong-sender": "send leaves the receiver's name in place",
    "one-session": "send reaches one session of the user only",
    "any-password": "login takes any password",
    "spaces": "spaces around a field are dropped",
}

fault = ""
lock = threading.Lock()
passwords = {}  # user: password
sessions = []  # those that are connected


class Error(Exception):
    pass


def parse(data):
    fields, field, literal = [], "", False
    for c in data.decode():
        if literal:
            field, literal = field + c, False
        elif c == "\\":
            literal = True
        elif c == ",":
            fields.append(field)
            field = ""
        else:
            field += c
    fields.append(field)
    if fault == "spaces":
        fields = [f.strip(" ") for f in fields]
    return fields


def escape(field):
    return field.replace("\\", "\\\\").replace(",", "\\,")


class Session:
    def __init__(self, conn):
        self.conn = conn
        self.user = None
        self.writing = threading.Lock()

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.conn.recv(n - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def frame(self):
        length, _ = struct.unpack(">IB", self.read(5))
        return self.read(length)

    def write(self, fields):
        data = ",".join(escape(f) for f in fields).encode()
        with self.writing:
            self.conn.sendall(struct.pack(">IB", len(data), 0) + data)

    def serve(self):
        try:
            while True:
                self.write(self.answer(parse(self.frame())))
        except OSError:
            pass
        finally:
            with lock:
                sessions.remove(self)
            self.conn.close()

    def answer(self, fields):
        try:
            return self.run(fields)
        except Error as e:
            return ["error", "nonfatal", str(e)]

    def run(self, fields):
        command, args = fields[0], fields[1:]
        if command == "req":
            if not args:
                raise Error("syntax")
            return ["req", args[0]] + self.answer(args[1:])
        if command == "nop":
            return []
        method = getattr(self, "do_" + command, None)
        if method is None:
            raise Error("command_not_found")
        return method(*args) or ["ok"]

    def do_register(self, user, password):
        with lock:
            if user in passwords:
                raise Error("invalid_name")
            passwords[user] = password

    def do_login(self, user, password):
        with lock:
            known = passwords.get(user)
        if known is None or known != password and fault != "any-password":
            raise Error("wrong_user_or_password")
        self.user = user

    def do_whoami(self):
        if self.user is None:
            raise Error("not_logged_in")
        return ["user", self.user]

    def do_send(self, user, *command):
        if self.user is None:
            raise Error("not_logged_in")
        with lock:
            to = [s for s in sessions if s.user == user]
        if fault == "one-session":
            to = to[:1]
        sender = user if fault == "wrong-sender" else self.user
        for s in to:
            s.write(["send", sender, *command])


def main():
    global fault
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", choices=FAULTS, default="")
    options = parser.parse_args()
    fault = options.fault
    # A thread that dies says so on the standard error, and the connection with it.
    with socket.create_server(("127.0.0.1", options.port), backlog=128) as server:
        print("ready", server.getsockname()[1], flush=True)
        while True:
            conn, _ = server.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(conn)
            with lock:
                sessions.append(session)
            threading.Thread(target=session.serve, daemon=True).start()


if __name__ == "__main__":
    main()
