"""Measure how time and memory of scoring grow with windows, hours, channels and workers, as an exponent.

Each point is a new process, from the shell command to its end, so it includes start-up. An exponent of 1 is linear
growth, 0 is no growth. For workers, -1 would be ideal for time.
"""

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from _commands import watched
from _machine import machine
from _page import publish
from _sides import hold_to, options_of
from _table import Exponent, markdown
from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.recording import Recording, Signal
from ictal.distributed import n_processors
from ictal.io.edf.writer import write_edf
from ictal.simulator import simulate_recording

HEADER = ("cost of scoring", "against", "from", "to", "exponent, 95 % interval")
HOURS, CHANNEL_COUNTS, STEPS_S = (1, 2, 4, 8), (19, 32, 64, 128), (10, 5, 2.5, 1)
N_RECORDINGS = 6
"""Number of recordings in the archive that the workers share."""


@dataclass(frozen=True)
class Wider:
    """A recording with any number of channels: the electrodes, then differences of them."""

    recording: Recording
    n_channels: int

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`."""
        known = self.recording.read(start, stop, range(len(ELECTRODES)))
        more = np.resize(np.diff(known, axis=0), (self.n_channels - len(known), stop - start))
        whole = np.vstack([known, more])
        return whole if rows is None else whole[list(rows)]


def wider(made: Recording, n_channels: int) -> Recording:
    """Return a recording with further channels after the electrodes."""
    names = (*CHANNELS[: len(ELECTRODES)], *(f"X{number}" for number in range(n_channels - len(ELECTRODES))))
    return Recording(made.name, names, made.rate_hz, made.n_samples, Wider(made, n_channels), made.start)


@dataclass(frozen=True)
class Axis:
    """A quantity that grows.

    Attributes
    ----------
    name
        What grows, in words.
    values
        Values along the axis.
    command
        Return the arguments of ictal for a value and an output folder.
    """

    name: str
    values: tuple[float, ...]
    command: Callable[[float, Path], Sequence[object]]

    def measure(self, rounds: int) -> "Growth":
        """Measure every value in each round."""
        points = []
        for _ in range(rounds):
            for value in self.values:
                with tempfile.TemporaryDirectory() as out:
                    cost = watched(*self.command(value, Path(out)))
                    points.append((value, cost.seconds, cost.gib))
        return Growth(self.name, *(tuple(column) for column in zip(*points, strict=True)))


@dataclass(frozen=True)
class Growth:
    """Points of one axis: value, wall time in s and peak memory in GiB."""

    name: str
    values: tuple[float, ...]
    seconds: tuple[float, ...]
    gib: tuple[float, ...]

    def rows(self) -> list[list[str]]:
        """Return two rows of the table, for time and memory."""
        return [self._row("time, s", self.seconds), self._row("memory, GiB", self.gib)]

    def _row(self, what: str, costs: Sequence[float]) -> list[str]:
        ends = [self._median(end, costs) for end in (min(self.values), max(self.values))]
        return [what, self.name, *ends, str(Exponent.of(self.values, costs))]

    def _median(self, value: float, costs: Sequence[float]) -> str:
        here = [cost for at, cost in zip(self.values, costs, strict=True) if at == value]
        return f"{statistics.median(here):.3g} at {value:g}"


def axes(folder: Path, hours: Sequence[float]) -> list[Axis]:
    """Write the recordings that do not exist yet, and return the axes."""
    archive, shortest = folder / "archive", min(hours)
    archive.mkdir(parents=True, exist_ok=True)
    for number in hours:
        _written(folder / f"night{number:g}.edf", simulate_recording(1, 0, number))
    for number in CHANNEL_COUNTS:
        _written(folder / f"channels{number}.edf", wider(simulate_recording(1, 0, shortest), number))
    for number in range(N_RECORDINGS):
        if not (archive / f"r{number}.edf").exists():
            shutil.copyfile(folder / f"night{shortest:g}.edf", archive / f"r{number}.edf")
    one = folder / f"night{shortest:g}.edf"
    per_window = {shortest * 3600 / step: step for step in STEPS_S}
    workers = sorted({1, 2, n_processors()})
    with tempfile.TemporaryDirectory() as out:
        watched("score", one, "--out", out)  # the first run exports the model
    return [
        Axis("windows", tuple(per_window), lambda n, out: ("score", one, "--out", out, "--step", per_window[n])),
        Axis("hours of recording", tuple(hours), lambda n, out: ("score", folder / f"night{n:g}.edf", "--out", out)),
        Axis(
            "channels in the file",
            CHANNEL_COUNTS,
            lambda n, out: ("score", folder / f"channels{n}.edf", "--out", out),
        ),
        Axis("workers", tuple(workers), lambda n, out: ("score-archive", archive, "--out", out, "--workers", n)),
    ]


def _written(path: Path, recording: Recording) -> None:
    if not path.exists():
        write_edf(path, recording)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options_of(parser)
    parser.add_argument("--hours", type=float, nargs="+", default=list(HOURS), help="lengths of the recordings")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: with two numbers of workers, an exponent needs two rounds or more")
    hold_to(options.threads)
    found = [axis.measure(options.rounds) for axis in axes(options.folder, options.hours)]
    lines = [
        f"{machine()}; {options.threads} processors; model `default`; {options.rounds} rounds.",
        "",
        *markdown(HEADER, [row for growth in found for row in growth.rows()]),
    ]
    publish("growth", lines, [asdict(growth) for growth in found], options.folder, write=options.write)


if __name__ == "__main__":
    main()
