"""Measures parley.py against the server that PARLEY_BIN names: pipelined `say`, and calls of a module beside `nop`.

    go build ./cmd/parley && PARLEY_BIN=./parley python3 sdk/python/bench.py
"""

import asyncio
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import parley

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS = 5
MODULE = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import parley
module = parley.Module()

@module.command("dice")
def dice(call, sides="6"):
    return ["dice", "4"]

module.run()
"""


def serve(path):
    data = path / "data"
    data.mkdir(mode=0o700)
    (path / "dice.py").write_text(MODULE)
    (data / "modules.txt").write_text(f"dice '{sys.executable}' '{path}/dice.py'\n")
    process = subprocess.Popen([os.environ["PARLEY_BIN"], "serve", "--data", str(data), "--text", "127.0.0.1:0",
                                "--line", "off", "--log.level", "error"], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("text "):
            url = "text://" + line.split()[1]
        if line.strip() == "ready":
            return process, url
    raise SystemExit("the server did not start")


def rate(name, count, run):
    """Print the median rate of some rounds, and their spread."""
    rates = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        run(count)
        rates.append(count / (time.perf_counter() - begun))
    print(f"{name:<42} {statistics.median(rates):>9,.0f} a second   ({min(rates):,.0f} to {max(rates):,.0f})")


def pipelined(client, *fields):
    def run(count):
        with client.pipeline() as p:
            for _ in range(count):
                p.do(*fields)
    return run


def concurrent(url):
    async def main(count):
        async with await parley.aconnect(url, guest="async") as client:
            await asyncio.gather(*(client.say("lobby", "hello, world") for _ in range(count)))
    return lambda count: asyncio.run(main(count))


def latencies(client, count=3000):
    """Round trips of both kinds in turn, so that they meet the same weather."""
    times = {"nop": [], "dice": []}
    for _ in range(count):
        for command, list_ in times.items():
            begun = time.perf_counter()
            client.do(command)
            list_.append((time.perf_counter() - begun) * 1e6)
    for command, list_ in times.items():
        cuts = statistics.quantiles(list_, n=100)
        print(f"round trip of {command:<28} {cuts[49]:>9.1f} µs median {cuts[98]:>9.1f} µs p99")
    nop, dice = (statistics.median(list_) for list_ in times.values())
    print(f"a call of a module costs {dice / nop:.2f} times a nop")


def main():
    with tempfile.TemporaryDirectory() as path:
        process, url = serve(pathlib.Path(path))
        try:
            with parley.connect(url, guest="bench") as client:
                while not any(program.commands for program in client.modules()):
                    time.sleep(0.01)
                latencies(client)
                rate("say, pipelined", 10_000, pipelined(client, "say", "lobby", "hello, world"))
                rate("say, asyncio, all at once", 5_000, concurrent(url))
                rate("calls of a module, pipelined", 10_000, pipelined(client, "dice", "6"))
                rate("nop, pipelined", 10_000, pipelined(client, "nop"))
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
