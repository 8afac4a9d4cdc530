"""Measure how long a person waits for ictal: for a report, a day of EEG, an explanation, the first use of a model.

Each figure is the cost of whole commands, from the shell to their end. With `--against REVISION`, the same commands
of an earlier version run in turn with those of this one, from a git worktree of that revision, so that ratios are of
one machine in one run. Commands that take minutes in that version run once.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from _commands import LOOK_S, Cost, environment, watched
from _machine import machine, memory_of
from _page import publish
from _sides import hold_to, options_of
from _table import markdown
from side_by_side import prepare

if TYPE_CHECKING:
    from viewer import Client

HEADER = ("a person waits for", "earlier", "now", "earlier / now", "GiB", "bar", "goal", "")
ARCHIVE = 5
"""Recordings of an hour in the archive; the first, which loads the model, is left out."""
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Place:
    """Where commands run: the folder of recordings and models, and the source of ictal (None: the installed one)."""

    folder: Path
    source: Path | None = None

    def ictal(self, *arguments: object, cache: Path | None = None, cpus: int | None = None) -> Cost:
        """Run an ictal command, with its own cache folder or on fewer CPUs where these are given."""
        return watched(*arguments, source=self.source, cache=cache, cpus=cpus)


@dataclass(frozen=True)
class Wait:
    """Something that a person waits for.

    Attributes
    ----------
    name, unit
        What it is, and the unit of its figure.
    measure
        Returns the figure and the peak memory in GiB.
    bar, goal
        The figure that has to be reached, and the one aimed for; None: the figure is only reported.
    slow
        Whether it runs only once, without a second round.
    why
        What limits it; reported if the bar is missed.
    larger
        Whether larger is better.
    """

    name: str
    unit: str
    measure: Callable[[Place], tuple[float, float]]
    bar: float | None = None
    goal: float | None = None
    slow: bool = False
    why: str = ""
    larger: bool = False


def _scoring(recording: str, *options: object) -> Callable[[Place], tuple[float, float]]:
    def run(place: Place) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as out:
            given = [place.folder / each if isinstance(each, Path) else each for each in options]
            cost = place.ictal("score", place.folder / recording, "--out", out, *given)
        return cost.seconds, cost.gib

    return run


def _command(*arguments: object) -> Callable[[Place], tuple[float, float]]:
    def run(place: Place) -> tuple[float, float]:
        given = [place.folder / each if isinstance(each, Path) else each for each in arguments]
        cost = place.ictal(*given)
        return cost.seconds, cost.gib

    return run


def _first_use(place: Place) -> tuple[float, float]:
    """Score two minutes with a trained `both` that nobody has used."""
    with tempfile.TemporaryDirectory() as top:
        model = Path(top) / "both"
        shutil.copytree(place.folder / "quick", model)
        for path in (*model.rglob("*.onnx"), *model.glob("export*")):
            path.unlink() if path.is_file() else shutil.rmtree(path)
        scoring = ("score", place.folder / "minutes.edf", "--model", model, "--out", Path(top) / "out")
        cost = place.ictal(*scoring, cache=Path(top) / "cache")
    return cost.seconds, cost.gib


def _explanation(place: Place) -> tuple[float, float]:
    """Return processor time, since the command computes on all cores."""
    data, window = place.folder / "two", "1_0"
    with tempfile.TemporaryDirectory() as out:
        cost = place.ictal("explain", "default", data, "--window", window, "--out", Path(out) / "why.svg")
    return cost.cpu_s, cost.gib


def _question(path: str) -> Callable[[Place], tuple[float, float]]:
    """Return what measures the first question to a viewer that was just opened, with an empty cache."""

    def run(place: Place) -> tuple[float, float]:
        from viewer import Client

        command = [sys.executable, "-m", "ictal", "view", place.folder / "hour.edf", "--no-browser"]
        command += ["--out", place.folder / "scored", "--model", "default"]
        with tempfile.TemporaryDirectory() as cache:
            found = environment(place.source, Path(cache))
            with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, env=found) as process:
                try:
                    assert process.stderr is not None
                    client = Client(process.stderr.readline())
                    recording = json.loads(client.get("/recordings"))[0]["id"]
                    begun = time.perf_counter()
                    while not _answered(client, f"/recordings/{recording}/{path}"):
                        time.sleep(LOOK_S)
                    return time.perf_counter() - begun, memory_of(process.pid) / 2**30
                finally:
                    process.terminate()

    return run


def _answered(client: "Client", path: str) -> bool:
    """Return whether there is an answer; earlier versions ask to come back later."""
    return json.loads(client.get(path)).get("windows") != []


def _archive(place: Place) -> tuple[float, float]:
    """Return hours of EEG per hour and core, of one worker on one CPU after its first recording."""
    with tempfile.TemporaryDirectory() as out:
        cost = place.ictal("score-archive", place.folder / "archive", "--out", out, "--workers", 1, cpus=1)
        lines = (Path(out) / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    later = [json.loads(line) for line in lines][-(ARCHIVE - 1) :]
    return 3600 * sum(row["eeg_h"] for row in later) / sum(row["duration_s"] for row in later), cost.gib


SCORING_WHY = (
    "The networks take half of the processor time of scoring; reading and measuring, which share Python's lock, take "
    "the rest."
)
WAITS = (
    Wait("`ictal --help`", "s", _command("--help")),
    Wait("`ictal info` of 1 h", "s", _command("info", Path("hour.edf"))),
    Wait("`ictal score` of 1 h", "s", _scoring("hour.edf"), 5, 3),
    Wait(
        "the same, without the report",
        "s",
        _scoring("hour.edf", "--formats", "parquet,csv,bids,json"),
        3,
        2,
        why="Importing pandas, the rest of SciPy and ictal takes 0.7 s, and scoring 1.5 s. " + SCORING_WHY,
    ),
    Wait("`ictal score` of 24 h", "s", _scoring("day.edf"), 45, 30, slow=True, why=SCORING_WHY),
    Wait(
        "the same, with `both` of `quick` and random weights",
        "s",
        _scoring("day.edf", "--model", Path("quick")),
        45,
        30,
        slow=True,
        why=SCORING_WHY,
    ),
    Wait(
        "first use of a trained `both` without an export",
        "s",
        _first_use,
        10,
        1,
        why="Importing torch and timm takes 2.5 s and 0.8 GiB, and torch's exporter 4.5 s, in a process of its own "
        "beside the 0.2 GiB of the command. `ictal train` exports a model when its training ends, and then its first "
        "use does not wait.",
    ),
    Wait("`ictal explain` of a window", "s of processor time", _explanation, 10, 3),
    Wait("viewer: first tint of a window", "s", _question("why?time_s=900&pattern=other&method=gradients"), 3, 1),
    Wait("viewer: spectrogram of a window", "s", _question("why?time_s=900&pattern=other&method=gradcam"), 3, 1),
    Wait("viewer: similar windows, first time", "s", _question("similar?time_s=900"), 10, 1),
    Wait("archive, one worker on one CPU", "hours of EEG per hour", _archive, larger=True),
)


@dataclass
class Found:
    """The figures of a wait, by round; of an earlier version, if there is one, as well."""

    wait: Wait
    now: list[float] = field(default_factory=list)
    earlier: list[float] = field(default_factory=list)
    gib: float = 0.0

    @property
    def value(self) -> float:
        """The median of this version."""
        return statistics.median(self.now)

    @property
    def gain(self) -> float | None:
        """How many times as fast as the earlier version; a median over rounds if both ran as often."""
        if not self.earlier:
            return None
        pairs = zip(self.earlier, self.now, strict=False)
        ratio = statistics.median(earlier / now for earlier, now in pairs)
        return 1 / ratio if self.wait.larger else ratio

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached; None if there is none."""
        return None if self.wait.bar is None else self.value <= self.wait.bar

    def cells(self) -> list[str]:
        """Return the cells of the table."""
        bar, goal = (f"{limit:g}" if limit else "" for limit in (self.wait.bar, self.wait.goal))
        verdict = ""
        if self.wait.bar is not None and self.wait.goal is not None:
            verdict = "goal" if self.value <= self.wait.goal else "bar" if self.reached else "missed"
        earlier = f"{statistics.median(self.earlier):.3g}" if self.earlier else ""
        gain = "" if self.gain is None else f"{self.gain:.3g}"
        name = f"{self.wait.name}, {self.wait.unit}"
        return [name, earlier, f"{self.value:.3g}", gain, f"{self.gib:.2f}", bar, goal, verdict]


def recordings(folder: Path) -> None:
    """Make the recordings that an earlier run has not left."""
    from ictal.io.edf.writer import write_edf
    from ictal.simulator import simulate_recording

    for name, hours in {"minutes": 2 / 60, "hour": 1, "day": 24}.items():
        if not (folder / f"{name}.edf").exists():
            write_edf(folder / f"{name}.edf", simulate_recording(1, 0, hours))
    if not (folder / "two").exists():
        watched("simulate", "--out", folder / "two", "--patients", 2, "--eegs", 1)
    if not (folder / "scored").exists():
        watched("score", folder / "hour.edf", "--out", folder / "scored")
    (folder / "archive").mkdir(exist_ok=True)
    for number in range(ARCHIVE):
        if not (folder / "archive" / f"r{number}.edf").exists():
            shutil.copyfile(folder / "hour.edf", folder / "archive" / f"r{number}.edf")


def source_of(revision: str, folder: Path) -> Path:
    """Return the source of an earlier version, checked out beside the figures."""
    tree = (folder / f"ictal-{revision}").absolute()
    if not tree.exists():
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), revision], cwd=ROOT, check=True)
    return tree / "src"


def measure(waits: Sequence[Wait], places: dict[str, Place], rounds: int) -> list[Found]:
    """Measure waits; in each round, the versions take turns."""
    every = []
    for wait in waits:
        found = Found(wait)
        if not wait.slow:
            for place in places.values():
                wait.measure(place)  # fills caches
        for _ in range(1 if wait.slow else rounds):
            for version, place in places.items():
                value, gib = wait.measure(place)
                getattr(found, version).append(value)
                if version == "now":
                    found.gib = max(found.gib, gib)
        every.append(found)
        print(" | ".join(found.cells()), flush=True)
    return every


def told(found: Sequence[Found], options: argparse.Namespace) -> list[str]:
    """Return the lines for the page."""
    rounds = "one round" if options.rounds == 1 else f"medians of {options.rounds} rounds"
    lines = [f"{machine()}; {options.threads} processors; {rounds}.", ""]
    lines += markdown(HEADER, [each.cells() for each in found])
    missed = [f"- **{each.wait.name}**: {each.wait.why}" for each in found if each.reached is False]
    return [*lines, "", *(missed or ["Every row reaches its bar."])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options_of(parser)
    parser.add_argument("--against", metavar="REVISION", help="a revision of git to compare with")
    parser.add_argument("--only", metavar="TEXT", default="", help="measure only what has this text in its name")
    options = parser.parse_args()
    hold_to(options.threads)
    prepare(options.folder, 2.0)
    recordings(options.folder)
    places = {"now": Place(options.folder)}
    if options.against:
        places["earlier"] = Place(options.folder, source_of(options.against, options.folder))
    found = measure([wait for wait in WAITS if options.only in wait.name], places, options.rounds)
    figures = [asdict(each) | {"wait": each.wait.name} for each in found]
    publish("waits", told(found, options), figures, options.folder, write=options.write)


if __name__ == "__main__":
    main()
