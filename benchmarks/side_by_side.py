"""Compare the speed and memory of ictal with a Keras reference with librosa, MNE-Python and braindecode.

Each side runs in its own process, on the same CPUs and with as many threads. In each round, every side does the same
task once, in turn, so that anything that slows the machine for a while slows all sides. Figures are medians; ratios
are taken per round. Weights are random, because they cost the same.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from _machine import machine
from _page import FIGURE, publish
from _sides import Setup, alone, hold_to, in_turns, options_of
from _table import Row, markdown, misses

PACKAGES = ("keras", "tensorflow-cpu", "tensorflow", "librosa", "mne", "braindecode", "torch", "onnxruntime")
HEADER = ("measure", "other", "ictal", "ratio (range over rounds)", "target")
DAY = 24 * 360
"""Windows of 24 h at a step of 10 s."""
MEMORY_ROUNDS = 3
SCORING = {
    "paper": "scoring with `both`, recipe `paper`",
    "shared": "scoring with `both`, the same networks, sharing work between windows",
    "quick": "scoring with `both`, recipe `quick`",
}
SCORING_TARGETS = {"paper": 8, "shared": 15, "quick": 20}
WHY_SCORING = {
    "paper": "Windows overlap by 40 s of 50 s, but zeros pad the edges of each in every layer of WaveNet, so that "
    "they share its middle alone, and 0 dB is the maximum of each image, so that they share none of it; see the "
    "limits below.",
    "shared": "WaveNet and mel columns are computed once for overlapping windows. EfficientNet's "
    "squeeze-and-excitation uses the whole window, so EfficientNet runs for each.",
    "quick": "An EfficientNet-B0 runs for each window, and reading and filtering cost as much as for a larger one.",
}


@dataclass(frozen=True)
class Pair:
    """A row to measure: a measure of the module `ours` and one of another module."""

    name: str
    unit: str
    ours: str
    target: float | None = None
    why: str = ""

    def row(self, ours: Sequence[float], theirs: Sequence[float]) -> Row:
        """Return the row with its figures."""
        return Row(self.name, self.unit, tuple(ours), tuple(theirs), self.target, self.why)


MS, HOUR = "ms per window", "ms per hour of EEG"
PAIRS: dict[tuple[str, str], tuple[Pair, ...]] = {
    ("reference.side", "preparation"): (
        Pair(
            "preparation: views of windows",
            MS,
            "views",
            30,
            "Products, logarithms and passes over a window's 0.5 million mel powers take equal parts.",
        ),
        Pair(
            "preparation: band-pass of the recording and views",
            MS,
            "preparation",
            30,
            "ictal band-passes 20 channels, forward and backward; the reference low-passes 8.",
        ),
    ),
    ("reference.side", "train temporal"): (
        Pair(
            "training step: WaveNet, 315,574 parameters",
            MS,
            "train temporal",
            1.5,
            "oneDNN computes gradients of weights at 60 % of the rate of its other convolutions, and bfloat16 needs "
            "AMX or AVX-512 BF16.",
        ),
    ),
    ("reference.side", "train spatial"): (
        Pair(
            "training step: EfficientNet-B2, recipe's 4 x 128 x 256 against the reference's 512 x 512 x 3",
            MS,
            "train spatial",
            5,
            "Depthwise convolutions and batch normalisation wait for memory.",
        ),
        Pair(
            "training step: EfficientNet-B2, both on images of 512 x 512 x 3",
            MS,
            "train image",
            1,
            "Both run the same oneDNN convolutions; the rest is memory.",
        ),
    ),
    ("reference.side", "train spatial, recipe's image"): (
        Pair("training step: EfficientNet-B2, both on images of 4 x 128 x 256", MS, "train spatial"),
    ),
    ("reference.side", "score"): tuple(
        Pair(SCORING[name], MS, f"score {name}", SCORING_TARGETS[name], WHY_SCORING[name]) for name in SCORING
    ),
    ("theirs", "read"): (Pair("reading an EDF, against MNE-Python", HOUR, "read"),),
    ("theirs", "filter"): (
        Pair(
            "band-pass and resampling, against MNE-Python",
            HOUR,
            "standardise",
            2,
            "ictal also looks for missing and flat samples, bad electrodes and the unit; MNE-Python does not.",
        ),
    ),
    ("theirs", "train Deep4Net"): (
        Pair(
            "training step: symmetric, {ours:,} parameters, against Deep4Net, {theirs:,}",
            MS,
            "train symmetric",
            1,
            "With as many parameters, it does six times the arithmetic: its layers run over 18 derivations each.",
        ),
    ),
    ("theirs", "train EEGNetv4"): (
        Pair(
            "training step: symmetric of `quick`, {ours:,} parameters, against EEGNetv4, {theirs:,}",
            MS,
            "train symmetric, quick",
        ),
    ),
}
"""For each measure of another module, the pairs that compare ictal with it."""


@dataclass(frozen=True)
class Alone(Pair):
    """A row measured in new processes that do nothing else: a measure of `ours` and one of the reference.

    Attributes
    ----------
    theirs
        Measure of the reference.
    what
        What is reported about a process, see `_sides.alone`.
    batch
        Windows of a training step, if it differs from the other rows.
    """

    theirs: str = ""
    what: str = "gib"
    batch: int | None = None


ALONE = (
    Alone("start-up, until the first window is scored", "s", "ready", theirs="ready", what="s"),
    Alone("memory of scoring", "GiB", "score paper", 3, "Libraries alone take most of it.", theirs="score"),
    Alone(
        "memory of training the WaveNet, batches of 32",
        "GiB",
        "train temporal",
        3,
        "A pass of 4 windows keeps 190 MB per window for the gradient, or half of that in bfloat16, and torch takes "
        "half a GiB.",
        theirs="train temporal",
        batch=32,
    ),
    Alone(
        "memory of training the EfficientNet-B2",
        "GiB",
        "train spatial",
        3,
        "torch and its libraries take half a GiB before the first window.",
        theirs="train spatial",
    ),
)


def prepare(folder: Path, hours: float) -> None:
    """Make the recordings, windows and models that an earlier run has not left."""
    from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
    from ictal.io import open_recording
    from ictal.io.edf.writer import write_edf
    from ictal.recipes import load_recipe
    from ictal.simulator import simulate_recording
    from scoring import settings_of, write_model, write_night

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "windows.npy").exists():
        write_edf(folder / "short.edf", simulate_recording(1, 0, hours / 6))
        signal = open_recording(folder / "short.edf").read()
        starts = range(0, signal.shape[1] - WINDOW_SAMPLES + 1, 10 * RATE_HZ)
        np.save(folder / "windows.npy", [signal[:, start : start + WINDOW_SAMPLES] for start in starts])
    if not (folder / "night.edf").exists():
        write_night(folder / "night.edf", hours)
    recipes = {name: load_recipe(name) for name in ("paper", "quick")}
    models = {name: recipe.models for name, recipe in recipes.items()} | {"shared": settings_of("reference", 250)}
    for name, settings in models.items():
        if not (folder / name / "card.json").exists():
            write_model(folder / name, settings, recipes[name].standardise if name in recipes else None)


def parameters() -> dict[str, tuple[int, int]]:
    """Return the numbers of parameters of each pair of networks, by our measure."""
    from ictal.models.build import build
    from ictal.recipes import load_recipe
    from theirs import network

    made = {
        "train symmetric": (build("symmetric", load_recipe("simulated").models), network("Deep4Net")),
        "train symmetric, quick": (build("symmetric", load_recipe("quick").models), network("EEGNetv4")),
    }
    ours, theirs = (
        {name: sum(p.numel() for p in pair[side].parameters()) for name, pair in made.items()} for side in (0, 1)
    )
    return {name: (ours[name], theirs[name]) for name in made}


def measure(setup: Setup, rounds: int) -> list[Row]:
    """Measure all rows."""
    rows, known = [], parameters()
    for theirs, pairs in PAIRS.items():
        figures = in_turns({"they": theirs} | {pair.ours: ("ours", pair.ours) for pair in pairs}, setup, rounds)
        made = [pair.row(figures[pair.ours], figures["they"]) for pair in pairs]
        rows += [named(row, known.get(pair.ours)) for row, pair in zip(made, pairs, strict=True)]
        print(*(row.told for row in rows[-len(pairs) :]), sep="\n", flush=True)
    return [*rows, *of_day(rows), *of_processes(setup, rounds)]


def named(row: Row, counts: tuple[int, int] | None) -> Row:
    """Insert the numbers of parameters into the name of a row."""
    return row if counts is None else replace(row, name=row.name.format(ours=counts[0], theirs=counts[1]))


def of_day(rows: Sequence[Row]) -> list[Row]:
    """Return the time for 24 h, extrapolated from the windows of a shorter recording."""
    found = {row.name: row for row in rows}
    minutes = DAY / 60e3
    return [
        Row(
            f"24 h at a step of 10 s, extrapolated: recipe `{name}`",
            "min",
            *(
                tuple(minutes * value for value in side)
                for side in (found[SCORING[name]].ours, found[SCORING[name]].theirs)
            ),
        )
        for name in ("paper", "quick")
    ]


def of_processes(setup: Setup, rounds: int) -> list[Row]:
    """Measure start-up and memory in new processes that do nothing else."""
    rows = []
    for one in ALONE:
        here = replace(setup, batch=one.batch or setup.batch)
        pairs = [
            (alone("ours", one.ours, here)[one.what], alone("reference.side", one.theirs, here)[one.what])
            for _ in range(rounds if one.what == "s" else min(rounds, MEMORY_ROUNDS))
        ]
        rows.append(one.row(*zip(*pairs, strict=True)))
        print(rows[-1].told, flush=True)
    return rows


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the ratios with their range, and the targets."""
    with rc_context({"svg.hashsalt": "ictal", "font.size": 9, "svg.fonttype": "path"}):
        figure = Figure(figsize=(9, 0.34 * len(rows) + 1), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(rows):
            ratio, colour = row.ratio, {True: "#1b7837", False: "#b2182b", None: "#4d4d4d"}[row.reached]
            axes.plot([ratio.low, ratio.high], [place, place], color=colour, linewidth=2)
            axes.plot(ratio.median, place, "o", color=colour)
            if row.target is not None:
                axes.plot(row.target, place, "|", color="black", markersize=14)
        axes.set_yticks(range(len(rows)), [row.name.replace("`", "") for row in rows])
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.axvline(1, color="#bbbbbb", linewidth=1, zorder=0)
        axes.set_xlabel("other side divided by ictal; bars: targets")
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, metadata={"Date": None})


def told(rows: Sequence[Row], options: argparse.Namespace) -> list[str]:
    """Return the lines for the page."""
    known = {name: found for name in PACKAGES if (found := _version(name))}
    lines = [
        f"{machine()}; {options.threads} threads; medians of {options.rounds} rounds; "
        + ", ".join(f"{name} {number}" for name, number in known.items())
        + ".",
        "",
        *markdown(HEADER, [row.cells() for row in rows]),
    ]
    figure = ["", f"![Ratios of the other side to ictal](images/{FIGURE.name})"] if options.write else []
    return [*lines, *figure, "", *(misses(rows) or ["Every row reaches its target."])]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except ImportError:
        return None


def as_json(rows: Sequence[Row]) -> list[Mapping[str, object]]:
    """Return the rows with their ratios."""
    return [asdict(row) | {"ratio": asdict(row.ratio), "reached": row.reached} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options_of(parser)
    parser.add_argument(
        "--hours", type=float, default=2.0, help="length of the recording to read and filter; a sixth of it is scored"
    )
    parser.add_argument("--batch", type=int, default=8, help="windows per training step; a multiple of 4")
    options = parser.parse_args()
    hold_to(options.threads)
    prepare(options.folder, options.hours)
    rows = measure(Setup(options.folder, options.threads, options.batch), options.rounds)
    publish("side_by_side", told(rows, options), as_json(rows), options.folder, write=options.write)
    if options.write:
        draw(rows, FIGURE)


if __name__ == "__main__":
    main()
