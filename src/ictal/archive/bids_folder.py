"""Write a scored archive as a BIDS derivative data set: events and scores of each recording, with their sidecars.

Source: BIDS 1.10, derivatives. BIDS defines events.tsv; it has no file for scores, so .bidsignore lists those.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from ictal import __version__
from ictal.archive.bids_names import BidsName, bids_names
from ictal.archive.bids_tables import DESCRIPTION, README, SCORE_COLUMNS, scores_table
from ictal.archive.ledger import Row, read_ledger
from ictal.archive.partition import Partition
from ictal.archive.pieces import Entry
from ictal.archive.run_settings import ArchiveInfo
from ictal.archive.source import BIDS_MARK, is_url
from ictal.core.atomic_files import atomic_write, hash_of, remove_partial_files, write_json, write_text, writing
from ictal.core.progress import Progress, silent
from ictal.errors import IctalError, RunError
from ictal.scoring.event_files import HED_VERSION, save_table, write_events
from ictal.scoring.scores import Scores

BIDS_VERSION = "1.10.0"
DESC = "desc-ictal"
MARK = "Fingerprint"
"""Key of a sidecar that identifies the results it was written from."""


@dataclass(frozen=True)
class BidsFolder:
    """What was done to a data set of derivatives.

    Attributes
    ----------
    model
        Partition whose results it holds.
    n_written, n_kept, n_removed
        Recordings that were written, were there already, and were removed, because the archive has no results of
        them any more.
    failed
        Why recordings could not be written.
    """

    model: str
    n_written: int
    n_kept: int
    n_removed: int
    failed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def archive_to_bids(
    folder: str | Path,
    out: str | Path,
    model: str | None = None,
    names: str | Path | None = None,
    *,
    progress: Progress = silent,
) -> BidsFolder:
    """Write the results of an archive as a BIDS derivative data set, and update one that is there.

    Each recording that is done gets ``sub-XX/[ses-YY/]eeg/sub-XX_..._desc-ictal_events.tsv`` and ``..._scores.tsv``,
    each with its JSON. Recordings are written one after the other; the same call continues where another one ended.

    Parameters
    ----------
    folder
        Folder of the archive.
    out
        Folder of the data set; new, empty, or from an earlier call. Its place in BIDS is
        ``derivatives/ictal`` within the raw data set.
    model
        Partition; None: that of the last run.
    names
        See `ictal.archive.bids_names.bids_names`.
    progress
        Callback with the number of finished recordings.

    Returns
    -------
    BidsFolder
        What was done. A recording that cannot be written does not stop the others.

    Raises
    ------
    IctalError
        If the folder is not an archive, a recording has no name, `out` holds something else, or it cannot be written.
    """
    folder, out = Path(folder), Path(out)
    info = ArchiveInfo.read(folder)
    partition = Partition(folder, info.partition(model))
    rows = [row for row in read_ledger(folder).values() if row.model == partition.model and row.state == "done"]
    if not rows:
        raise RunError(f"{folder}: no recording is done yet")
    named = bids_names(sorted(row.recording for row in rows), Path(names) if names else None)
    described = _description(info.source, out, partition.model)
    with writing(out):
        _check_folder(out, described)
        out.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(out / ".lock", timeout=0):
                return _Writing(partition, out, described, names is None).write(rows, named, progress)
        except Timeout as error:
            raise RunError(f"{out}: another process is writing this data set") from error


@dataclass(frozen=True)
class _Writing:
    """The writing of one data set, whose source may be linked by BIDS URIs."""

    partition: Partition
    out: Path
    described: Mapping[str, Any]
    by_path: bool

    def write(self, rows: Iterable[Row], named: Mapping[str, BidsName], progress: Progress) -> BidsFolder:
        """Write what is new, remove what is gone, and return the counts."""
        write_text(self.out / ".bidsignore", "*_scores.tsv\n*_scores.json\n")
        write_text(self.out / "README.md", README)
        write_json(self.out / BIDS_MARK, self.described)
        present, n_written, failed = self.partition.present(), 0, list[str]()
        progress("recordings", 0, len(named))
        for n_ended, row in enumerate(sorted(rows, key=lambda row: row.recording), 1):
            base = self._base(named[row.recording])
            if not _is_current(base, row):
                try:
                    self._write_one(Entry(row.recording, (row.address,), row.fingerprint), row, base, present)
                    n_written += 1
                except RunError as error:
                    failed.append(str(error))
            progress("recordings", n_ended, len(named))
        n_kept = len(named) - n_written - len(failed)
        return BidsFolder(self.partition.model, n_written, n_kept, self._remove_others(named.values()), tuple(failed))

    def _base(self, name: BidsName) -> Path:
        return self.out / name.folder / f"{name.stem}_{DESC}"

    def _write_one(self, entry: Entry, row: Row, base: Path, present: set[str]) -> None:
        """Write the files of a recording; the sidecar of its events comes last, and says that all are there.

        Raises
        ------
        RunError
            If the archive has lost its results, or they cannot be read.
        """
        if entry.name not in present:
            raise RunError(f"{row.recording}: its results are missing; repeat 'ictal score-archive'")
        try:
            scores = Scores.read(self.partition.file("scores", entry))
        except IctalError as error:
            raise RunError(f"{row.recording}: {error}") from error
        made: dict[str, Any] = {"GeneratedBy": {"Name": "ictal", "Version": __version__, "Model": row.model}}
        if self.by_path and "DatasetLinks" in self.described:
            made |= {"Sources": [f"bids:raw:{row.recording}"]}
        table = base.with_name(f"{base.name}_scores.tsv")
        with atomic_write(table) as part:
            save_table(scores_table(scores.frame), part)
        write_json(table.with_suffix(".json"), {**SCORE_COLUMNS, **made})
        marked = {"Description": DESCRIPTION, **made, MARK: _mark(row)}
        write_events(scores.events(), scores.findings().events, scores.recording, base, marked)

    def _remove_others(self, names: Iterable[BidsName]) -> int:
        """Remove the files of recordings that are not named, and return how many recordings these are."""
        wanted = {self._base(name) for name in names}
        found = {_base_of(path) for path in self.out.glob(f"sub-*/**/*_{DESC}_*")}
        for base in found - wanted:
            for path in base.parent.glob(f"{base.name}_*"):
                path.unlink()
            for folder in (base.parent, *base.parent.parents[: len(base.relative_to(self.out).parts) - 2]):
                with suppress(OSError):  # it holds other files
                    folder.rmdir()
        for folder in {base.parent for base in wanted}:
            remove_partial_files(folder)
        return len(found - wanted)


def _base_of(path: Path) -> Path:
    return path.with_name(path.name.rpartition(f"_{DESC}_")[0] + f"_{DESC}")


def _mark(row: Row) -> str:
    return hash_of([row.recording, row.fingerprint, row.model, row.time, __version__])


def _is_current(base: Path, row: Row) -> bool:
    """Return whether the files of a recording are complete and come from its present results."""
    try:
        told = json.loads(base.with_name(f"{base.name}_events.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and told.get(MARK) == _mark(row)


def _description(source: str, out: Path, model: str) -> dict[str, Any]:
    """Return the content of dataset_description.json.

    A source that is no data set is not named: folders of a ward often have the names of patients.
    """
    link = source if is_url(source) else _link(Path(source), out)
    raw = not is_url(source) and (Path(source) / BIDS_MARK).is_file()
    return {
        "Name": "Patterns of critical-care EEG, predicted by ictal",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "HEDVersion": HED_VERSION,
        "GeneratedBy": [{"Name": "ictal", "Version": __version__, "Description": f"Scores and events of {model}"}],
        **({"SourceDatasets": [{"URL": link}]} if raw or is_url(source) else {}),
        **({"DatasetLinks": {"raw": link}} if raw else {}),
    }


def _link(source: Path, out: Path) -> str:
    """Return a path relative to derivatives within their source, which can be moved together; otherwise a URI."""
    source, out = source.absolute(), out.absolute()
    if out.is_relative_to(source):
        return str(PurePosixPath(*[".."] * len(out.relative_to(source).parts)))
    return source.as_uri()


def _check_folder(out: Path, described: Mapping[str, Any]) -> None:
    """Raise an error unless a folder is missing, empty, or holds the results of the same partition."""
    if not out.exists():
        return
    mark = out / BIDS_MARK
    if not mark.is_file() and out.is_dir() and not any(out.glob("[!.]*")):
        return
    try:
        (made,) = json.loads(mark.read_bytes())["GeneratedBy"]
        known = made["Name"], made["Description"]
    except (OSError, ValueError, KeyError, TypeError):
        known = None
    (makes,) = described["GeneratedBy"]
    if known != (makes["Name"], makes["Description"]):
        what = f"'{known[1]}'" if known else "files"
        raise RunError(f"{out}: contains {what}, not '{makes['Description']}'; name a new or empty folder with --out")
