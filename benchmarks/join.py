"""Score a simulated night as one EDF file and as hourly pieces: differences, time, and peak memory of a new process.

Each piece is a file of its own, with the start, samples and annotations of its hour. Probabilities must agree within
1e-4, events and sentences must be equal, and memory must not grow with the number of pieces.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import ictal
from _machine import machine
from _sides import peak_gib
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Recording, Signal
from ictal.io.edf.writer import write_edf
from ictal.scoring.scores import Scores
from ictal.terminology.words import event_sentence, recording_paragraph

HOUR_S = 3600
LIMIT = 1e-4
PROBABILITIES = list(PROBABILITY_COLUMNS)


@dataclass(frozen=True)
class Part:
    """The samples of a recording from one on."""

    recording: Recording
    first: int

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, see `ictal.core.recording.Source`."""
        return self.recording.read(self.first + start, self.first + stop, rows)


def write_pieces(whole: Recording, folder: Path) -> list[Path]:
    """Write a file per hour."""
    paths = []
    for number, begin_s in enumerate(range(0, round(whole.duration_s), HOUR_S)):
        stop_s = min(begin_s + HOUR_S, round(whole.duration_s))
        piece = replace(
            whole,
            n_samples=round((stop_s - begin_s) * whole.rate_hz),
            source=Part(whole, round(begin_s * whole.rate_hz)),
            start=whole.start + timedelta(seconds=begin_s),
            annotations=tuple(
                replace(note, onset_s=note.onset_s - begin_s)
                for note in whole.annotations
                if begin_s <= note.onset_s < stop_s
            ),
        )
        paths.append(folder / f"piece_{number:02}.edf")
        write_edf(paths[-1], piece)
    return paths


def score(paths: Sequence[Path], out: Path) -> dict[str, float]:
    """Score in a new process; return its peak memory in GiB and the time in s."""
    command = [sys.executable, __file__, "--score", str(out), *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure(paths: Sequence[Path], out: Path) -> None:
    begun = time.perf_counter()
    ictal.score(ictal.join(paths)).write(out)
    print(json.dumps({"s": time.perf_counter() - begun, "gib": peak_gib()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--score", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("paths", type=Path, nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.score:
        return measure(options.paths, options.score)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_edf(folder / "night.edf", ictal.simulator.simulate_recording(1, 0, options.hours))
        pieces = write_pieces(ictal.read(folder / "night.edf"), folder)
        groups = {"one file": [folder / "night.edf"], "6 pieces": pieces[:6], f"{len(pieces)} pieces": pieces}
        print(f"{machine()}\n{options.hours:g} h, {(folder / 'night.edf').stat().st_size / 1e9:.2f} GB")
        for label, paths in groups.items():
            took = score(paths, folder / f"{label}.parquet")
            print(f"{label}: {took['s']:.0f} s, peak resident memory {took['gib']:.3f} GiB", flush=True)
        whole, joined = (Scores.read(folder / f"{label}.parquet") for label in ("one file", f"{len(pieces)} pieces"))
        most = float((whole.frame[PROBABILITIES] - joined.frame[PROBABILITIES]).abs().max().max())
        print(f"{len(whole.frame)} windows: probabilities differ by at most {most:.1e}; limit {LIMIT:g}")
        numbers = whole.frame.select_dtypes("number").columns
        apart = (whole.frame[numbers] - joined.frame[numbers]).abs() / whole.frame[numbers].abs().clip(lower=1)
        print(f"all {len(numbers)} columns of numbers differ by at most {apart.max().max():.1e} of max(value, 1)")
        print(f"{len(whole.events())} events, equal: {whole.events() == joined.events()}")
        findings = [scores.findings() for scores in (whole, joined)]
        said = [[*map(event_sentence, found.events), recording_paragraph(found)] for found in findings]
        print(f"{len(said[0])} sentences of the report, equal: {said[0] == said[1]}")
    return None


if __name__ == "__main__":
    main()
