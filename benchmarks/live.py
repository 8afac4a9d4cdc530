"""Measure `ictal watch`: beds in real time, latency, live against finished scores, a day of replay, kills.

Parts: `beds`, `difference`, `replay`, `kills`; by default all, which takes an hour and a half. Files grow by records
of one second; the watcher is a process of its own, and all figures come from its journals. Rows are in time if they
are written before the next 10 s have passed. Simulated patients are those of seed 2026, which nothing was tuned on.

Write the tables into docs/watch.md: python benchmarks/live.py --write
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

import ictal
from _machine import machine
from _page import filled
from ictal.core.atomic_files import write_text
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Recording
from ictal.live.announcements import LiveEvent
from ictal.live.journal import JOURNAL
from ictal.live.live_scorer import LiveScorer
from ictal.models.hub import find_model
from ictal.scoring.engines import open_engine
from ictal.scoring.events import find_events
from ictal.scoring.pipeline import ScoreSettings, score
from ictal.simulator import simulate_recording

PAGE = Path(__file__).resolve().parents[1] / "docs" / "watch.md"
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "seizure"
SEED = 2026
STEP_S = 10.0
CAUGHT_UP_S = 600
"""After this time, a watcher that has not caught up with files that do not grow fails."""
LOOK_S = 0.02


@dataclass
class Bed:
    """A file that grows by records of one second, whose content is a whole recording again and again."""

    path: Path
    content: bytes
    header: int
    n_records: int
    written: int = 0

    @classmethod
    def of(cls, whole: Path, path: Path) -> "Bed":
        """Write the header of a whole recording, as while it is recorded."""
        content = whole.read_bytes()
        header, n_records = int(content[184:192]), int(content[236:244])
        path.write_bytes(content[:236] + b"-1      " + content[244:header])
        return cls(path, content, header, n_records)

    def record(self, seconds: int) -> None:
        """Append some seconds."""
        size = (len(self.content) - self.header) // self.n_records
        stop = min(self.written + seconds, self.n_records)
        with self.path.open("ab") as file:
            file.write(self.content[self.header + self.written * size : self.header + stop * size])
        self.written = stop


@dataclass(frozen=True)
class Entry:
    """A line of a journal: its kind, its content, and when it was written (Unix time)."""

    kind: str
    content: list | dict
    at: float


def entries(journal: Path) -> Iterator[Entry]:
    for line in journal.read_bytes().split(b"\n")[:-1] if journal.exists() else ():
        (_, at), (kind, content) = json.loads(line).items()
        yield Entry(kind, content, datetime.fromisoformat(at).timestamp())


def n_rows(journal: Path) -> int:
    return journal.read_bytes().count(b'"row": ') if journal.exists() else 0


@contextmanager
def watcher(sources: Sequence[Path], out: Path) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "ictal", "watch", *map(str, sources), "--out", str(out), "--no-page"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def recorded(folder: Path, hours: float, patient: int = 0) -> Path:
    path = folder / f"whole{patient}-{hours:g}.edf"
    if not path.exists():
        ictal.simulate(path, hours=hours, seed=SEED, patient=patient)
    return path


def beds(n_beds: int, folder: Path, seconds: int = 180, before: int = 120) -> dict:
    """Let beds grow in real time; their windows end at different seconds."""
    whole, place = recorded(folder, 0.25), folder / f"ward{n_beds}"
    place.mkdir()
    ward = [Bed.of(whole, place / f"bed{number}.edf") for number in range(n_beds)]
    journals = [place / "out" / f"bed{number}" / JOURNAL for number in range(n_beds)]
    for number, bed in enumerate(ward):
        bed.record(before + number % 10)
    with watcher([bed.path for bed in ward], place / "out") as process:
        wait_for(lambda: all(n_rows(journal) >= before // 10 for journal in journals))
        begun, cpu_s, written = time.time(), sum(process.cpu_times()[:2]), [{} for _ in ward]
        for second in range(seconds):
            time.sleep(max(0.0, begun + second - time.time()))
            for bed, when in zip(ward, written, strict=True):
                bed.record(1)
                when[bed.written] = time.time()
        time.sleep(STEP_S)
        used = (sum(process.cpu_times()[:2]) - cpu_s) / (time.time() - begun)
        memory = process.memory_info().rss / 2**30
    late = []
    for journal, when in zip(journals, written, strict=True):
        rows = {round(entry.content[1]): entry.at for entry in entries(journal) if entry.kind == "row"}
        late += [rows.get(stop_s, np.inf) - at for stop_s, at in when.items() if stop_s % STEP_S == 0]
    return {
        "beds": n_beds,
        "rows": len(late),
        "in_time": float(np.mean(np.array(late) <= STEP_S)),
        "median_s": float(np.median(late)),
        "p99_s": float(np.quantile(late, 0.99)),
        "cpus": used,
        "gib": memory,
    }


def wait_for(condition) -> None:
    since = time.monotonic()
    while not condition():
        if time.monotonic() - since > CAUGHT_UP_S:
            raise SystemExit("the watcher did not catch up")
        time.sleep(0.2)


def live_frame(recording: Recording, until_s: float = np.inf) -> pd.DataFrame:
    """Return the rows of a recording that grows by 10 s at a time."""
    scorer = LiveScorer(open_engine(find_model("default"), threads=1), ScoreSettings())
    parts, after_s = [], -np.inf
    for stop_s in np.arange(STEP_S, min(recording.duration_s, until_s) + 1e-6, STEP_S):
        for rows in scorer.new_rows(replace(recording, n_samples=round(stop_s * recording.rate_hz)), after_s):
            parts.append(rows)
            after_s = rows["start_s"].iloc[-1]
    return pd.concat(parts, ignore_index=True)


def apart(recording: Recording) -> np.ndarray:
    """Return the absolute differences of probabilities, live and finished, [window, pattern]."""
    names = list(PROBABILITY_COLUMNS)
    live, whole = live_frame(recording), score(recording, "default").frame
    both = live.merge(whole, on="start_s", suffixes=("", "_whole"))
    found = abs(both[names].to_numpy() - both[[f"{name}_whole" for name in names]].to_numpy())
    return found[np.isfinite(found).all(axis=1)]


def apart_of_patient(hours: float, patient: int) -> np.ndarray:
    return apart(simulate_recording(SEED, patient, hours))


def difference(n_patients: int, pool: Pool) -> list[dict]:
    sets = {f"simulated, {n_patients} patients, 1 h": pool.map(partial(apart_of_patient, 1.0), range(n_patients))}
    if REAL.is_dir():
        clips = [ictal.read(path) for path in sorted(REAL.glob("*.edf"))]
        sets[f"real, {len(clips)} clips"] = pool.map(apart, clips, chunksize=1)
    return [
        {
            "data": name,
            "windows": sum(map(len, parts)),
            "mean": float(np.concatenate(parts).mean()),
            "p99": float(np.quantile(np.concatenate(parts), 0.99)),
            "largest": float(np.concatenate(parts).max()),
        }
        for name, parts in sets.items()
    ]


def replay(hours: float, speed: int, folder: Path) -> dict:
    """Replay a recording faster than real time, and count rows."""
    whole = recorded(folder, hours)
    bed = Bed.of(whole, folder / "day.edf")
    journal, memory = folder / "replay" / "day" / JOURNAL, []
    with watcher([bed.path], folder / "replay") as process:
        begun = time.time()
        while bed.written < bed.n_records:
            time.sleep(max(0.0, begun + bed.written / speed - time.time()))
            bed.record(speed // 4)
            if bed.written % 3600 < speed // 4:  # hourly
                memory.append(process.memory_info().rss / 2**30)
        wait_for(lambda: n_rows(journal) >= bed.n_records // STEP_S)
    starts = np.array([entry.content[0] for entry in entries(journal) if entry.kind == "row"])
    expected = STEP_S * np.arange(bed.n_records // STEP_S)
    return {
        "hours": hours,
        "speed": speed,
        "rows": len(starts),
        "lost": len(set(expected) - set(starts)),
        "doubled": len(starts) - len(set(starts)),
        "wrong": len(set(starts) - set(expected)),
        "gib": memory,
    }


def kills(n_kills: int, folder: Path) -> dict:
    """Kill the watcher at random moments while the recording grows."""
    chance = random.Random(SEED)
    whole = recorded(folder, max(1.0, n_kills * 60 / 3600), patient=1)
    bed = Bed.of(whole, folder / "killed.edf")
    journal, changed, before, announced = folder / "kills" / "killed" / JOURNAL, 0, b"", set()
    for _ in range(n_kills):
        with watcher([bed.path], folder / "kills") as process:
            size, until = len(before), time.monotonic() + 60
            wanted = size + chance.randrange(1, 25_000)
            for _ in range(60 // 5):
                bed.record(5)
            while time.monotonic() < until and process.is_running():
                if journal.exists() and journal.stat().st_size >= min(wanted, size + 6_000):
                    break
                time.sleep(LOOK_S)
            time.sleep(chance.random() / 4)
        content = journal.read_bytes()
        changed += not content.startswith(before[: before.rfind(b"\n") + 1])
        before, events = content, {}
        for entry in entries(journal):
            if entry.kind == "event":
                event = LiveEvent(**entry.content)
                changed += events.get(event.key, event).stop_s not in (None, event.stop_s)
                events[event.key] = event
        announced |= {*events}
    with watcher([bed.path], folder / "kills"):
        wait_for(lambda: n_rows(journal) >= bed.written // STEP_S)
        time.sleep(2)
    rows = [entry.content for entry in entries(journal) if entry.kind == "row"]
    frame = pd.DataFrame([row[:8] for row in rows], columns=["start_s", "stop_s", *PROBABILITY_COLUMNS], dtype=float)
    found = {(event.pattern, event.start_s) for event in find_events(frame)}
    final = {
        (entry.content["pattern"], entry.content["start_s"]) for entry in entries(journal) if entry.kind == "event"
    }
    starts = frame["start_s"].tolist()
    return {
        "kills": n_kills,
        "rows": len(starts),
        "lost": bed.written // 10 - len(set(starts)),
        "doubled": len(starts) - len(set(starts)),
        "events": len(final),
        "changed": changed + len(announced - found) + len(found ^ final),
    }


def lines_of(found: dict) -> list[str]:
    lines = []
    if "beds" in found:
        lines += [
            "| beds | rows in time | latency, median | 99th percentile | CPUs | memory |",
            "|---|---|---|---|---|---|",
            *(
                f"| {one['beds']} | {one['in_time']:.2%} of {one['rows']} | {one['median_s']:.2f} s | "
                f"{one['p99_s']:.2f} s | {one['cpus']:.2f} | {one['gib']:.2f} GiB |"
                for one in found["beds"]
            ),
            "",
        ]
    if "difference" in found:
        lines += [
            "| live against finished | windows | mean difference | 99th percentile | largest |",
            "|---|---|---|---|---|",
            *(
                f"| {one['data']} | {one['windows']} | {one['mean']:.4f} | {one['p99']:.3f} | {one['largest']:.3f} |"
                for one in found["difference"]
            ),
            "",
        ]
    if "replay" in found:
        one = found["replay"]
        lines += [
            (
                f"- **Replay** of {one['hours']:g} h at {one['speed']} times its speed: "
                f"{one['rows']} rows, {one['lost']} lost, {one['doubled']} doubled, {one['wrong']} at a wrong time; "
                f"memory {one['gib'][0]:.2f} GiB after an hour, {one['gib'][len(one['gib']) // 2]:.2f} after half "
                f"the time, {one['gib'][-1]:.2f} at the end."
            )
        ]
    if "kills" in found:
        one = found["kills"]
        lines += [
            (
                f"- **Killed** {one['kills']} times at random moments: {one['rows']} rows, {one['lost']} lost, "
                f"{one['doubled']} doubled; of {one['events']} announced events, {one['changed']} changed."
            )
        ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="beds, difference, replay, kills; default: all")
    parser.add_argument("--beds", type=int, nargs="+", default=[32, 64, 128, 200])
    parser.add_argument("--patients", type=int, default=8, help="simulated hours for the difference")
    parser.add_argument("--hours", type=float, default=24, help="length of the replay")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--keep", type=Path, default=Path("runs/bench/live.json"), help="figures of all parts so far")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    kept = json.loads(asked.keep.read_text()) if asked.keep.exists() else {}
    with tempfile.TemporaryDirectory() as place, Pool(2) as pool:
        folder = Path(place)
        measures = {
            "beds": lambda: [beds(number, folder) for number in asked.beds],
            "difference": lambda: difference(asked.patients, pool),
            "replay": lambda: replay(asked.hours, 60, folder),
            "kills": lambda: kills(asked.kills, folder),
        }
        for part in asked.parts or measures:
            kept[part] = measures[part]()
            asked.keep.parent.mkdir(parents=True, exist_ok=True)
            write_text(asked.keep, json.dumps(kept, indent=1))
    lines = [f"{machine()}.", "", *lines_of(kept)]
    print("\n".join(lines))
    if asked.write:
        write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), "live", lines))


if __name__ == "__main__":
    main()
