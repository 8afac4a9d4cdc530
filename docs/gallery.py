"""Draw the gallery: one figure per pattern, real and simulated side by side, into docs/gallery/.

The real segments are read from ../shared and left out where that is absent; the drawings are not part of the project.
"""

import argparse
from pathlib import Path

import numpy as np

from ictal.core.labels import PATTERN_TITLES, PATTERNS, VOTE_COLUMNS, distribution
from ictal.core.recording import Recording, Signal
from ictal.core.windows import CENTRE_SAMPLES
from ictal.data import DataSettings, open_dataset
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.report.traces import traces_figure
from ictal.simulator import simulate_eeg

HERE = Path(__file__).resolve().parent
REAL = HERE.parents[1] / "shared" / "data" / "iiic"
BAND_HZ = (0.5, 40.0)
"""Filters as readers set them."""
SEED, PATIENTS = 2, 120


def centre(recording: Recording) -> Signal:
    signal = standardise(recording, StandardiseSettings(band_hz=BAND_HZ)).signal
    middle = signal.shape[1] // 2
    return signal[:, middle - CENTRE_SAMPLES // 2 : middle + CENTRE_SAMPLES // 2]


def votes_in_words(votes: np.ndarray) -> str:
    return ", ".join(f"{PATTERN_TITLES[name]} {count}" for name, count in zip(PATTERNS, votes, strict=True) if count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "gallery")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    made = [simulate_eeg(SEED, patient, 0, few_share=0) for patient in range(PATIENTS)]
    shares = distribution(np.stack([one.votes for one in made]))
    real = open_dataset(str(REAL), DataSettings()) if REAL.is_dir() else None
    for index, pattern in enumerate(PATTERNS):
        panels = []
        if real:
            votes = real.labels[list(VOTE_COLUMNS)].to_numpy()
            # the clearest; of several the one with most votes
            best = int(np.lexsort((votes.sum(axis=1), distribution(votes)[:, index]))[-1])
            panels.append(
                (f"real: {votes_in_words(votes[best])}", centre(real.recording(real.labels["eeg_id"][best])))
            )
        for best in shares[:, index].argsort()[-2 if not real else -1 :][::-1]:
            panels.append((f"simulated: {votes_in_words(made[best].votes)}", centre(made[best].recording)))
        figure = traces_figure(panels)
        figure.savefig(out / f"{pattern}.png", dpi=110)
        print(out / f"{pattern}.png")


if __name__ == "__main__":
    main()
