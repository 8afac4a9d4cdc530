"""Draw the pictures of the pages on patterns and views, all simulated, into docs/images/."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from gallery import centre, votes_in_words
from matplotlib.figure import Figure
from PIL import Image

from ictal.core.labels import PATTERN_TITLES
from ictal.core.montage import MONTAGES
from ictal.core.recording import Signal
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.report.drawing import STYLE
from ictal.report.traces import traces_figure
from ictal.simulator import SimulatedEeg, simulate_eeg
from ictal.views import Spectrogram, SpectrogramSettings

IMAGES = Path(__file__).with_name("images")
SEED = 7
CHOSEN = {"seizure": 23, "lpd": 24, "gpd": 42, "lrda": 8, "grda": 7, "other": 0}
"""Patients who show a pattern clearly, chosen by eye."""
N_COLOURS = 32


def chosen(pattern: str) -> SimulatedEeg:
    return simulate_eeg(SEED, CHOSEN[pattern], 0, few_share=0, kind=(pattern, pattern))


def save(figure: Figure, name: str) -> None:
    """Write a PNG of few colours, which is a third as large."""
    path = IMAGES / f"{name}.png"
    figure.savefig(path, dpi=100)
    Image.open(path).convert("RGB").quantize(N_COLOURS, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)
    print(path, f"{path.stat().st_size / 1000:.0f} kB")


def spectrogram_figure(window: Signal) -> Figure:
    """Draw the four chains' mel spectrograms of a window [20, 10000]."""
    images = Spectrogram(SpectrogramSettings())(torch.from_numpy(window)[None])[0].numpy()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 4.4), layout="constrained")
        for axes, image, chain in zip(
            figure.subplots(4, 1, sharex=True), images, MONTAGES["double_banana"], strict=False
        ):
            axes.imshow(image, aspect="auto", origin="lower", extent=(0, 50, 0, len(image)), cmap="magma")
            axes.axvspan(20, 30, fill=False, ec="white", ls="--")
            axes.set_ylabel(chain, rotation=0, ha="right", va="center")
            axes.set_yticks([])
        axes.set_xlabel("seconds; dashed: the 10 s that the votes concern")
    return figure


def main() -> None:
    for pattern in CHOSEN:
        eeg = chosen(pattern)
        title = f"{PATTERN_TITLES[pattern]}, simulated; votes: {votes_in_words(eeg.votes)}"
        save(traces_figure([(title, centre(eeg.recording))]), f"pattern_{pattern}")
    window = standardise(chosen("lpd").recording, StandardiseSettings()).signal
    save(spectrogram_figure(np.ascontiguousarray(window)), "view_spectrogram")


if __name__ == "__main__":
    main()
