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


def manifest_of(
    votes: Iterable[Vote],
    shown: Mapping[str, Path] | None = None,
    pieces: Mapping[str, Sequence[Piece]] | None = None,
) -> pd.DataFrame:
    """Return one row per window with votes: file, start of the centre, patient and vote counts.

    File paths are absolute, so that the manifest can be stored anywhere on this machine. If a file was moved after
    the vote, its path is taken from `shown`, by content hash. Windows of a joined recording are named in the piece
    that contains the middle; `pieces` are those of each content hash.
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
    for row, (content, time_s) in enumerate(zip(rows["recording"], rows["time_s"], strict=True)):
        begun = [piece for piece in (pieces or {}).get(str(content), ()) if piece.onset_s <= time_s]
        if begun and begun[-1].path:
            rows.loc[row, "file"] = str(begun[-1].path.absolute())
            rows.loc[row, CENTRE_COLUMN] = round(time_s - CENTRE_S / 2 - begun[-1].onset_s, 3)
    return rows[list(MANIFEST_COLUMNS)]


def patient_of(path: Path) -> str:
    """Return the patient id of a file: the BIDS subject if the name has one, otherwise the file name.

    Headers are not used, since they may contain names of patients.
    """
    entities = [part for part in path.name.split("_") if part.startswith("sub-")]
    return entities[0] if entities else path.name.split(".")[0]
