"""Find the seizures of a recording, as SzCORE's benchmark calls an algorithm: one recording in, one table out."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from ictal.core.atomic_files import atomic_write, writing
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.errors import ModelError, ReadError, UsageError, listed
from ictal.scoring.engines import Engine
from ictal.scoring.event_files import save_table, szcore_table
from ictal.scoring.pipeline import ScoreSettings, score
from ictal.scoring.scores import Scores

SUFFIX = ".tsv"


def szcore(
    recording: str | Path | Recording | Any,
    table: str | Path,
    model: str | Path | Engine = "default",
    settings: ScoreSettings = ScoreSettings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = silent,
    **changes: Any,
) -> Scores:
    """Score a recording, and write its seizures as one HED-SCORE table.

    The table has the columns and words of SzCORE (Dan et al., Epilepsia 2024, doi:10.1111/epi.18113). Without a
    seizure, it has one row: background from 0 s to the end of the recording.

    Parameters
    ----------
    recording, model, settings, progress, **changes
        As in `ictal.score`.
    table
        The file to write; its name ends in .tsv. It is replaced if it exists.

    Returns
    -------
    Scores
        All scores, of which the table has the seizures.

    Raises
    ------
    IctalError
        If the recording cannot be scored, not even in part, or the model does not know seizures; no table is written
        then. Also if the table cannot be written.
    """
    table = Path(table)
    if table.suffix.lower() != SUFFIX:
        raise UsageError(f"{table}: cannot be the name of the table; allowed are names that end in {SUFFIX}")
    scores = score(recording, model, settings, progress=progress, **changes)
    if "seizure" not in scores.event_patterns:
        raise ModelError(f"the model '{scores.manifest['model']['name']}' does not know seizures")
    reasons = scores.frame["reason"]
    if (reasons != "").all():
        raise ReadError(
            f"{recording}: none of its {len(reasons)} windows can be scored: {listed(reasons.unique(), 3)}"
        )
    _write(szcore_table(scores.events(), scores.recording), table)
    return scores


def _write(table: pd.DataFrame, path: Path) -> None:
    # SzCORE's runner makes an empty file that the container's user may write, in a folder that this user may not.
    if path.is_file() and not os.access(path.parent, os.W_OK):
        with writing(path):
            save_table(table, path)
        return
    with writing(path), atomic_write(path) as part:
        save_table(table, part)
