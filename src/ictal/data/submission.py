"""The test EEGs of the HMS competition, and submissions: test.csv, test_eegs/ and sample_submission.csv."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from ictal.core.atomic_files import atomic_write
from ictal.core.ids import case_variants, normalize_id_columns
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import Predictions
from ictal.data.dataset import FileDataset
from ictal.data.hms import SPECTROGRAM_COLUMN
from ictal.data.label_table import empty_ids, read_csv, repeated
from ictal.errors import TableError, listed, raise_problems
from ictal.io.regional_spectrogram import ContextFile

TABLE = "test.csv"
EEGS = "test_eegs"
SPECTROGRAMS = "test_spectrograms"
SAMPLE = "sample_submission.csv"


def is_test_folder(folder: Path) -> bool:
    """Return whether a folder has test EEGs."""
    return (folder / TABLE).is_file()


def read_test_folder(folder: Path) -> FileDataset:
    """Open a folder of test EEGs, without its EEG files.

    Each EEG is one window, whose labelled 10 s are the middle of the file; window_id is the eeg_id. Its context is
    the first ten minutes of test_spectrograms/ID.parquet, where the table has spectrogram_id and the file exists.

    Raises
    ------
    TableError
        If test.csv is absent or invalid, with all problems: ids that are empty or occur twice.
    """
    path, ids = folder / TABLE, ("eeg_id", "patient_id")
    frame = normalize_id_columns(read_csv(path, ids), (*ids, SPECTROGRAM_COLUMN), str(path))
    problems = empty_ids(frame, ids) + repeated(frame, ["eeg_id"])
    raise_problems(str(path), problems + case_variants("patient_id", frame["patient_id"]))
    labels = pd.DataFrame({"window_id": frame["eeg_id"], **frame[[*ids]], "start_s": 0.0}).reset_index(drop=True)
    files = {eeg: folder / EEGS / f"{eeg}.parquet" for eeg in labels["eeg_id"]}
    contexts = {}
    if SPECTROGRAM_COLUMN in frame.columns:
        kept_in = [folder / SPECTROGRAMS / f"{name}.parquet" for name in frame[SPECTROGRAM_COLUMN]]
        pairs = zip(labels["window_id"], kept_in, strict=True)
        contexts = {window: ContextFile(file, 0.0) for window, file in pairs if file.is_file()}
    return FileDataset(str(path), labels, files, contexts, middle=True)


@dataclass(frozen=True)
class SampleSubmission:
    """A sample submission: the rows and columns that a submission must have.

    Attributes
    ----------
    table
        The sample as text, as it is written: 'eeg_id' and `VOTE_COLUMNS`, in any order.
    eegs
        Its ids as `ictal.core.ids.normalize_id` writes them, [row].
    """

    table: pd.DataFrame
    eegs: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the sample of a folder of test EEGs.

        Raises
        ------
        TableError
            If the folder is not one, or the sample has other columns, or ids that are empty or occur twice.
        """
        lacking = [name for name in (TABLE, SAMPLE) if not (folder / name).is_file()]
        if lacking:
            raise TableError(
                f"'{folder}': has no {' and no '.join(lacking)}; a submission needs a folder with {TABLE}, "
                f"{EEGS}/ID.parquet and {SAMPLE}"
            )
        path, columns = folder / SAMPLE, ("eeg_id", *VOTE_COLUMNS)
        table = read_csv(path, columns)
        strange = [name for name in table.columns if name not in columns]
        if strange:
            raise TableError(f"{path}: has the columns {listed(strange)}; allowed are {listed(columns)}")
        frame = normalize_id_columns(table, ["eeg_id"], str(path))
        raise_problems(str(path), empty_ids(frame, ["eeg_id"]) + repeated(frame, ["eeg_id"]))
        return cls(table, tuple(frame["eeg_id"]))

    def mismatches(self, eegs: Iterable[str]) -> list[str]:
        """List the ids of the sample that are not in test.csv, and the other way round."""
        rows, there = dict.fromkeys(self.eegs), dict.fromkeys(eegs)
        problems = [f"eeg_id {eeg}: in {SAMPLE}, but not in {TABLE}" for eeg in rows if eeg not in there]
        return problems + [f"eeg_id {eeg}: in {TABLE}, but not in {SAMPLE}" for eeg in there if eeg not in rows]

    def write(self, path: Path, predictions: Predictions) -> None:
        """Write a submission atomically: the sample with the predicted shares of one arm, whose rows sum to one."""
        by_eeg = pd.DataFrame(predictions.probabilities, list(predictions.frame["eeg_id"]), list(VOTE_COLUMNS))
        shares = by_eeg.loc[list(self.eegs)].set_axis(self.table.index)
        filled = self.table.assign(**shares.div(shares.sum(axis=1), axis=0))
        with atomic_write(path) as part:
            filled.to_csv(part, index=False)
