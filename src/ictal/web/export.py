"""Votes as the manifest that `ictal ablate` reads."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ictal.data.manifest import MANIFEST_COLUMNS
from ictal.data.table import CENTRE_COLUMN
from ictal.labels import PATTERNS, VOTE_COLUMNS
from ictal.web.votes import Vote
from ictal.windows import CENTRE_S


def manifest_of(votes: Iterable[Vote]) -> pd.DataFrame:
    """Return a row per window that was voted on: file, when the voted 10 s begin, patient and the panel's counts.

    Files are absolute paths, so that the manifest may lie anywhere on this machine.
    """
    table = pd.DataFrame(list(votes), columns=list(Vote.__dataclass_fields__))
    if table.empty:
        return pd.DataFrame(columns=list(MANIFEST_COLUMNS))
    counts = pd.crosstab([table["recording"], table["time_s"]], table["pattern"])
    rows = counts.reindex(columns=PATTERNS, fill_value=0).set_axis(VOTE_COLUMNS, axis=1).reset_index()
    rows["file"] = rows["recording"].map(
        table.sort_values("at").groupby("recording")["file"].last()
    )  # where it is now
    rows[CENTRE_COLUMN] = (rows["time_s"] - CENTRE_S / 2).round(3)
    rows["patient_id"] = [patient_of(Path(file)) for file in rows["file"]]
    return rows[list(MANIFEST_COLUMNS)]


def patient_of(path: Path) -> str:
    """Return whose recording a file is: BIDS's subject where the name has one, else the file's own name.

    Headers are not asked, since they may hold names.
    """
    entities = [part for part in path.name.split("_") if part.startswith("sub-")]
    return entities[0] if entities else path.name.split(".")[0]
