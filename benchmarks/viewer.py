"""Measure how fast the viewer is on a scored day, in the browser and from its server alone, and its memory."""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

import psutil

from _machine import machine, memory_of

CUTS = "low_hz=0.5&high_hz=70&notch_hz=50"
REPEATS = 40
VISITS, TURNS = 3, 20
LIMIT_MIB = 1024
ASKED = (
    ("first tint", "gradients"),
    ("next tint", "gradients"),
    ("next tint", "occlusion"),
    ("spectrogram", "gradcam"),
)


class Client:
    """A client of a server that was just started."""

    def __init__(self, line: str) -> None:
        found = re.match(r"Open ((http://[^/]+)/\?token=([\w-]+))", line)
        assert found, f"the server said {line!r}"
        self.page, self.base, self.token = found.groups()

    def get(self, path: str) -> bytes:
        """Return the response of the server."""
        request = urllib.request.Request(f"{self.base}/api{path}", headers={"X-Ictal-Token": self.token})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return bytes(answer.read())

    def milliseconds(self, path: str) -> float:
        """Return the time that a response takes, in ms."""
        begin = time.perf_counter()
        self.get(path)
        return 1000 * (time.perf_counter() - begin)


def median_ms(client: Client, paths: list[str]) -> str:
    times = sorted(client.milliseconds(path) for path in paths)
    return f"{statistics.median(times):.0f} ms (largest {times[-1]:.0f})"


def megabytes(process: psutil.Process) -> str:
    """Return the memory of the server and its model processes in MiB.

    USS is the memory that would be freed if the process ended. PSS adds the process's part of shared memory, so that
    the sum of PSS is the total of all processes. PSS is lower if somebody else uses the same libraries.
    """
    every = [each.memory_full_info() for each in (process, *process.children(recursive=True))]
    libraries = sum(_of_cuda(each) for each in process.children(recursive=True)) >> 20
    each = [f"{found.uss >> 20} ({found.pss >> 20}, {found.rss >> 20})" for found in every]
    told = f"USS (PSS, RSS): server {each[0]}, others {each[1:]}; PSS of all {sum(f.pss for f in every) >> 20} MiB"
    return f"{told}, of which libraries of CUDA {libraries}" if libraries else told


def cpu_seconds(process: psutil.Process) -> float:
    """Return the processor time of the server and its model processes so far."""
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


def _of_cuda(process: psutil.Process) -> int:
    """Return the PSS of the libraries that only a torch built for GPUs loads."""
    return sum(found.pss for found in process.memory_maps() if "nvidia" in found.path or "cuda" in found.path)


class Watch(threading.Thread):
    """Records the peak of the total PSS of the server and its model processes."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.largest, self._ended = process, 0, threading.Event()

    def run(self) -> None:
        """Measure every tenth of a second."""
        while not self._ended.wait(0.1):
            self.largest = max(self.largest, memory_of(self.process.pid))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()


def in_browser(address: str, chromium: str) -> None:
    """Print the time of a page to its first traces, and of a page turn, from marks that the page sets."""
    from playwright.sync_api import sync_playwright

    firsts: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(VISITS):
            page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
            page.goto(address)
            firsts.append(_marks(page, "ictal:traces", "startTime", 1)[0])
        turns: list[float] = []
        for turn in range(1, TURNS + 1):
            page.keyboard.press("ArrowRight")
            turns = _marks(page, "ictal:page", "duration", turn)
        browser.close()
    print(
        f"browser: first traces {', '.join(f'{first:.0f}' for first in firsts)} ms after opening the address (2000)"
    )
    print(f"browser: page turn {statistics.median(turns):.0f} ms (largest {max(turns):.0f}; 150)")


def _marks(page: Any, name: str, value: str, count: int) -> list[float]:
    """Return the values of a performance entry once there are `count`; the page's policy forbids other waiting."""
    end = time.perf_counter() + 60
    while time.perf_counter() < end:
        found = page.evaluate(f"performance.getEntriesByName('{name}').map((entry) => entry.{value})")
        if len(found) >= count:
            return list(found)
        page.wait_for_timeout(5)
    sys.exit(f"the page set no mark {name}")


def measure(client: Client, process: psutil.Process, why: bool) -> None:
    recording: dict[str, Any] = json.loads(client.get("/recordings"))[0]
    if recording["state"] != "scored":
        sys.exit("score the recording first: the benchmark needs a scored recording")
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

    tell("while traces are computed")
    begin = time.perf_counter()
    while not _complete(client.get(f"{base}/signal?{whole}")):
        time.sleep(0.5)
    print(f"traces of all were complete {time.perf_counter() - begin:.0f} s later")
    tell("at rest")
    if why:
        with Watch(process) as watch:
            for at, (name, method) in zip(starts, ASKED, strict=False):
                asked = f"{base}/why?time_s={at}&pattern=other&method={method}"
                begin_s = cpu_seconds(process)
                took = client.milliseconds(asked)
                print(f"{name}, {method}: {took:.0f} ms, {cpu_seconds(process) - begin_s:.1f} s of processor time")
            print(f"first similar windows: {client.milliseconds(f'{base}/similar?time_s={starts[0]}'):.0f} ms")
        print(f"during explanations: PSS of all at most {watch.largest >> 20} MiB; the limit is {LIMIT_MIB}")
        print(f"after explanations: memory: {megabytes(process)}")


def _complete(answer: bytes) -> bool:
    return bool(json.loads(answer[4 : 4 + int.from_bytes(answer[:4], "little")])["complete"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder with the scores of the recording")
    parser.add_argument("--model", type=Path, help="model of the scores; without it, explanations are not measured")
    parser.add_argument(
        "--chromium",
        default=os.environ.get("ICTAL_CHROMIUM") or shutil.which("chromium"),
        help="path of Chromium (default: $ICTAL_CHROMIUM, or the one on the PATH); without it no browser is measured",
    )
    given = parser.parse_args()
    command = [sys.executable, "-m", "ictal", "view", str(given.file), "--out", str(given.out), "--no-browser"]
    command += ["--model", str(given.model)] if given.model else []
    begin = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        try:
            client = Client((run.stderr or sys.stdin).readline())
            print(f"{machine()}\nstarted in {time.perf_counter() - begin:.1f} s")
            if given.chromium and shutil.which(given.chromium):
                in_browser(client.page, given.chromium)
            measure(client, psutil.Process(run.pid), given.model is not None)
        finally:
            run.terminate()


if __name__ == "__main__":
    main()
