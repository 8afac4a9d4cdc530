"""Measure the time to validate, group and fold a label table in the layout of the competition."""

import statistics
import sys
import time
from pathlib import Path

from _machine import SHARED, machine
from ictal.data import assign_folds
from ictal.data.hms import read_hms_labels

DEFAULT = SHARED / "hms" / "train_votes.csv.gz"


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        labels = read_hms_labels(path)
        folds = assign_folds(labels, n_folds=5, test_share=1 / 6, seed=0)
        times.append(time.perf_counter() - begin)
    print(f"{machine()}; median of {len(times)}")
    print(f"{len(labels)} rows, {labels['eeg_id'].nunique()} EEGs, {labels['patient_id'].nunique()} patients")
    groups = labels.assign(fold=folds).groupby("fold")
    print(groups.agg(windows=("window_id", "size"), eegs=("eeg_id", "nunique"), patients=("patient_id", "nunique")))
    print(f"{statistics.median(times):.2f} s")


if __name__ == "__main__":
    main()
