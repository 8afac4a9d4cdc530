"""Export votes as a manifest for `ictal ablate`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ictal.core.labels import PATTERNS, VOTE_COLUMNS
from ictal.core.windows import CENTRE_S
from ictal.data.label_table import CENTRE_COLUMN
from ictal.data.manifest import MANIFEST_COLUMNS
from ictal.io.joined import Piece
from ictal.web.votes import Vote

TOLERANCE_S = 1e-3
"""Times in a manifest are rounded to this."""


def manifest_of(
    votes: Iterable[Vote],
    shown: Mapping[str, Path] | None = None,
    pieces: Mapping[str, Sequence[Piece]] | None = None,
) -> pd.DataFrame:
    """Return one row per window with votes: file, start of the centre, patient and vote counts.

    File paths are absolute, so that the manifest can be stored anywhere on this machine. If a file was moved after
    the vote, its path is taken from `shown`, by content hash. Windows of a joined recording are named in their
    piece, and left out if they lie in two, since a row has one file; `pieces` are those of each content hash.
    """
    table = pd.DataFrame(list(votes), columns=list(Vote.__dataclass_fields__))
    if table.empty:
        return pd.DataFrame(columns=list(MANIFEST_COLUMNS))
    counts = pd.crosstab([table["recording"], table["time_s"]], table["pattern"])
    rows = counts.reindex(columns=PATTERNS, fill_value=0).set_axis(VOTE_COLUMNS, axis=1).reset_index()
    voted = table.sort_values("at").groupby("recording")["file"].last()
    files = {str(key): Path(file) for key, file in voted.items()}
    there = {key: file if file.exists() else (shown or {}).get(key, file) for key, file in files.items()}
    rows["file"] = [str(there[key]) for key in rows["recording"]]
    rows[CENTRE_COLUMN] = (rows["time_s"] - CENTRE_S / 2).round(3)
    rows["patient_id"] = [patient_of(Path(file)) for file in rows["file"]]
    cut = []
    for row, (content, centre_s) in enumerate(zip(rows["recording"], rows[CENTRE_COLUMN], strict=True)):
        begun = [one for one in (pieces or {}).get(str(content), ()) if one.onset_s <= centre_s + TOLERANCE_S]
        if not begun or not begun[-1].path:
            continue
        own_s = max(round(centre_s - begun[-1].onset_s, 3), 0.0)
        rows.loc[row, ["file", CENTRE_COLUMN]] = str(begun[-1].path.absolute()), own_s
        if own_s + CENTRE_S > begun[-1].recording.span_s + TOLERANCE_S:
            cut.append(row)
    return rows.drop(index=cut)[list(MANIFEST_COLUMNS)]


def patient_of(path: Path) -> str:
    """Return the patient id of a file: the BIDS subject if the name has one, otherwise the file name.

    Headers are not used, since they may contain names of patients.
    """
    entities = [part for part in path.name.split("_") if part.startswith("sub-")]
    return entities[0] if entities else path.name.split(".")[0]
