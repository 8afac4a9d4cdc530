"""How fast the viewer's server answers on a scored recording of a day, and how much memory it takes."""

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from _machine import machine

CUTS = "low_hz=0.5&high_hz=70&notch_hz=50"
REPEATS = 40


class Client:
    """Asks a server that was just started."""

    def __init__(self, line: str) -> None:
        found = re.match(r"Open (http://[^/]+)/\?token=([\w-]+)", line)
        assert found, f"the server said {line!r}"
        self.base, self.token = found.groups()

    def get(self, path: str) -> bytes:
        """Return what the server answers."""
        request = urllib.request.Request(f"{self.base}/api{path}", headers={"X-Ictal-Token": self.token})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return bytes(answer.read())

    def milliseconds(self, path: str) -> float:
        """Return how long an answer takes."""
        begin = time.perf_counter()
        self.get(path)
        return 1000 * (time.perf_counter() - begin)


def median_ms(client: Client, paths: list[str]) -> str:
    times = sorted(client.milliseconds(path) for path in paths)
    return f"{statistics.median(times):.0f} ms (largest {times[-1]:.0f})"


def megabytes(process: psutil.Process) -> str:
    """Return the resident memory of the server, and of the processes beside it."""
    beside = [child.memory_info().rss >> 20 for child in process.children(recursive=True)]
    return f"server {process.memory_info().rss >> 20} MiB, beside it {beside} MiB"


def measure(client: Client, process: psutil.Process, why: bool) -> None:
    recording: dict[str, Any] = json.loads(client.get("/recordings"))[0]
    if recording["state"] != "scored":
        sys.exit("score the recording first: the benchmark is of one that is scored")
    base, span_s = f"/recordings/{recording['id']}", float(recording["duration_s"])
    whole = f"start_s=0&stop_s={span_s}&width=1500"
    print(f"first overview of all: {client.milliseconds(f'{base}/overview?{whole}'):.0f} ms")
    rng = random.Random(0)
    starts = [rng.uniform(100, span_s - 700) for _ in range(REPEATS)]

    def tell(when: str) -> None:
        for seconds in (10, 50):
            pages = [f"{base}/signal?start_s={at}&stop_s={at + seconds}&width=1500&{CUTS}" for at in starts]
            print(f"{when}: page of {seconds} s: {median_ms(client, pages)}")
        print(f"{when}: traces of all: {median_ms(client, [f'{base}/signal?{whole}'] * REPEATS)}")
        print(f"{when}: overview of all: {median_ms(client, [f'{base}/overview?{whole}'] * 10)}")
        zooms = [f"{base}/overview?start_s={at}&stop_s={at + 600}&width=1500" for at in starts]
        print(f"{when}: overview of 10 min: {median_ms(client, zooms)}")
        print(f"{when}: memory: {megabytes(process)}")

    tell("while traces are made")
    begin = time.perf_counter()
    while not _complete(client.get(f"{base}/signal?{whole}")):
        time.sleep(0.5)
    print(f"traces of all were complete {time.perf_counter() - begin:.0f} s later")
    tell("at rest")
    if why:
        for name in ("first", "next"):
            at = starts[name == "next"]
            print(f"{name} why: {client.milliseconds(f'{base}/why?time_s={at}&pattern=other'):.0f} ms")
        print(f"after why: memory: {megabytes(process)}")


def _complete(answer: bytes) -> bool:
    return bool(json.loads(answer[4 : 4 + int.from_bytes(answer[:4], "little")])["complete"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of its scores")
    parser.add_argument("--model", type=Path, help="that made them; without it no explanation is asked for")
    given = parser.parse_args()
    command = [sys.executable, "-m", "ictal", "view", str(given.file), "--out", str(given.out), "--no-browser"]
    command += ["--model", str(given.model)] if given.model else []
    begin = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        try:
            client = Client((run.stderr or sys.stdin).readline())
            print(f"{machine()}\nstarted in {time.perf_counter() - begin:.1f} s")
            measure(client, psutil.Process(run.pid), given.model is not None)
        finally:
            run.terminate()


if __name__ == "__main__":
    main()
