#!/usr/bin/env python3
"""A module that rolls dice: an example of the text protocol in plain Python.

    dice            one die                       dice,4,4
    dice,2d6        two of them                   dice,9,4 5
    dice,3d20+2     the total, and what fell      dice,35,11 3 19

It needs Python 3.9 and nothing else. The line for modules.txt:

    dice python3 /path/to/dice.py

It needs no grant. With env = ["DICE_SEED"] granted, and that variable set for
the server, the dice fall the same way after each start.
"""

import os
import random
import re
import struct
import sys


def receive():
    """Waits for a message; gives its fields, or None at the end."""
    header = sys.stdin.buffer.read(5)
    if len(header) < 5:
        return None
    size, _ = struct.unpack(">IB", header)
    data = sys.stdin.buffer.read(size).decode()
    if "\\" not in data:
        return data.split(",")
    fields, text = [""], iter(data)
    for c in text:
        if c == ",":
            fields.append("")
        else:
            fields[-1] += next(text, "") if c == "\\" else c
    return fields


def send(*fields):
    data = ",".join(f.replace("\\", "\\\\").replace(",", "\\,") for f in fields).encode()
    sys.stdout.buffer.write(struct.pack(">IB", len(data), 0) + data)
    sys.stdout.buffer.flush()


def dice(command, *arguments):
    """Answers a call; a ValueError tells the caller what is wrong with it."""
    if command != "dice" or len(arguments) > 1:  # the server sees to that, but not when we are asked
        raise ValueError("usage: dice,[spec]")
    parts = re.fullmatch(r"([0-9]{0,3})d([0-9]{1,4})([+-][0-9]{1,6})?", *(arguments or ["d6"]))
    if not parts:
        raise ValueError("dice are written d6, 2d6 or 3d20+2")
    count, sides, more = int(parts[1] or 1), int(parts[2]), int(parts[3] or 0)
    if not 1 <= count <= 100 or sides < 2:
        raise ValueError("roll 1 to 100 dice with 2 to 9999 sides")
    rolls = [random.randint(1, sides) for _ in range(count)]
    return ["dice", str(sum(rolls) + more), " ".join(map(str, rolls))]


def main():
    random.seed(os.environ.get("DICE_SEED"))
    send("req", "provide", "provide", "dice", "0", "1", "rolls dice: d6, 2d6, 3d20+2")
    while fields := receive():
        if fields[0] == "call":
            number, command, _caller, *arguments = fields[1:]
            try:
                send("return", number, *dice(command, *arguments))
            except ValueError as why:
                send("return", number, "error", "nonfatal", "syntax", str(why))
        elif fields[:2] == ["req", "provide"] and fields[2:] != ["ok"]:
            sys.exit(f"dice is not provided: {fields[2:]}")


if __name__ == "__main__":
    main()
