"""Make szcore.json: simulated BIDS data sets of events, and what SzCORE's own program computes from them.

Run with szcore-evaluation and epilepsy2bids installed (they were 0.0.7 both):
``pip install epilepsy2bids git+https://github.com/esl-epfl/szcore-evaluation``, then
``python tests/golden/make_szcore.py``.
"""

import json
import math
import tempfile
import warnings
from pathlib import Path

import numpy as np
from epilepsy2bids.annotations import Annotations
from szcore_evaluation.evaluate import evaluate_dataset

N_SUBJECTS = 6
HOURS = (1, 2)
SEIZURE_S = (10, 700)
"""Some are longer than 5 min, and are split."""


def events(rng: np.random.Generator, duration_s: int, expected: float) -> list[list[int]]:
    """Return disjoint events, [onset, duration] in whole seconds, some of them less than 90 s apart."""
    found, start_s = [], int(rng.integers(0, 300))
    for _ in range(rng.poisson(expected)):
        length_s = int(np.exp(rng.uniform(*np.log(SEIZURE_S))))
        if start_s + length_s > duration_s:
            break
        found.append([start_s, length_s])
        start_s += length_s + int(rng.choice([20, 85, 95, 600, 1500]))
    return found


def jittered(rng: np.random.Generator, truth: list[list[int]], duration_s: int) -> list[list[int]]:
    """Return detections: most of the events, moved by up to two minutes, and some that nobody marked."""
    moved = [(onset + int(rng.integers(-120, 120)), length) for onset, length in truth if rng.random() < 0.7]
    mask = np.zeros(duration_s + 1, dtype=int)
    for onset, length in [*moved, *events(rng, duration_s, 0.7)]:
        mask[max(onset, 0) : min(onset + max(length // 2, 5), duration_s)] = 1
    edges = np.flatnonzero(np.diff(mask, prepend=0))
    return [[int(a), int(b - a)] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def dataset(seed: int) -> list[dict]:
    """Return the recordings of a data set.

    The first subject has no seizure, the second no detection, the third neither, and one recording was not scored.
    """
    rng, recordings = np.random.default_rng(seed), []
    for number in range(N_SUBJECTS):
        for session in range(int(rng.integers(1, 4))):
            duration_s = 3600 * int(rng.integers(*HOURS, endpoint=True))
            truth = [] if number in (0, 2) else events(rng, duration_s, 3)
            found = [] if number in (1, 2) else jittered(rng, truth, duration_s)
            recordings.append(
                {
                    "subject": f"sub-{number + 1:02}",
                    "session": f"ses-{session + 1:02}",
                    "duration_s": duration_s,
                    "reference": truth,
                    "hypothesis": None if (number, session) == (N_SUBJECTS - 1, 0) else found,
                }
            )
    return recordings


def write(root: Path, recordings: list[dict], side: str) -> None:
    """Write one side of a data set with SzCORE's own writer."""
    for one in recordings:
        if one[side] is None:
            continue
        folder = root / one["subject"] / one["session"] / "eeg"
        folder.mkdir(parents=True, exist_ok=True)
        spans = [(onset, onset + length) for onset, length in one[side]]
        name = f"{one['subject']}_{one['session']}_task-szMonitoring_run-00_events.tsv"
        Annotations.loadEvents(spans, one["duration_s"]).saveTsv(folder / name)


def evaluated(recordings: list[dict]) -> dict:
    """Return what SzCORE computes."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write(root / "ref", recordings, "reference")
        write(root / "hyp", recordings, "hypothesis")
        (root / "hyp").mkdir(exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing
            results = evaluate_dataset(root / "ref", root / "hyp", root / "out.json")
    return {
        kind: {name: None if math.isnan(value) else float(value) for name, value in of_kind.items()}
        for kind, of_kind in results.items()
    }


def main() -> None:
    """Write the golden values beside this script."""
    sets = [dataset(seed) for seed in range(4)]
    sets.append([one for one in dataset(0) if one["subject"] in ("sub-01", "sub-03")])  # no seizure at all
    content = [{"recordings": one, "results": evaluated(one)} for one in sets]
    Path(__file__).with_name("szcore.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
