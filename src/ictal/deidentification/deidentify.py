"""Write a copy of an EDF or BDF file without what identifies the patient."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ictal.core.atomic_files import atomic_write
from ictal.core.progress import Progress, silent
from ictal.core.settings import Settings
from ictal.deidentification.edf_copy import AnnotationFilter, copy_records
from ictal.deidentification.edf_header import HeaderPlan
from ictal.deidentification.identifiers import PATIENT, Identifiers, identifiers_of
from ictal.deidentification.key_file import (
    NO_PATIENT,
    SHIFT_DAYS,
    KeyRow,
    find_row,
    names_nobody,
    read_key,
    row_for,
    similar_to,
)
from ictal.deidentification.removal import Deidentified, Removal
from ictal.deidentification.results import FoundResults, results_beside
from ictal.errors import ReadError, UsageError, WriteError, listed, reason
from ictal.io.edf.dates import CLIPPING_YEAR, FIRST_DAY
from ictal.io.edf.header import MAIN_BYTES, EdfFile
from ictal.io.edf.header_fields import number_in, printable, text_of
from ictal.io.open import format_of

KINDS = (".edf", ".bdf")
YEARS = range(1900 + CLIPPING_YEAR, 2000 + CLIPPING_YEAR)
"""Years that EDF can state (EDF+ 2.1.3.2)."""
NO_CODE = "CODE"
"""Stands for the code of a patient in a dry run without a key file."""
SHORTEST_PATIENT = 4
"""Letters and digits that tell patients apart; some recorders write 0 or -1 for every patient."""


class DeidentifySettings(Settings):
    """How recordings are de-identified.

    Attributes
    ----------
    patient
        Names and numbers of the patient, if the header does not state them, such as 'Smith, John, 123456'. They are
        searched for, and stand for the patient in the key file instead of what the header says.
    also
        Further texts that must not stay, such as names of staff.
    dates
        'shift': the date of the start is moved to the past by the patient's number of days in the key file; 'remove':
        it becomes 'unknown'. The time of day stays in both.
    dry_run
        Whether only to report what would be removed, without writing anything.
    results
        Folder with results of the recordings, of `ictal score`, `ictal view` or `ictal score-archive`. They are
        written under the new names to the folder of the same name as that of the new files, with '_results' added.
    """

    patient: str = ""
    also: tuple[str, ...] = ()
    dates: Literal["shift", "remove"] = "shift"
    dry_run: bool = False
    results: Path | None = None


def deidentify(
    recording: str | Path,
    out: str | Path,
    key: str | Path | None,
    settings: DeidentifySettings = DeidentifySettings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = silent,
    **changes: Any,
) -> Deidentified:
    """Write a copy of an EDF, EDF+, BDF or BDF+ file without what identifies the patient.

    Samples and times are copied byte by byte. The header is built anew. Annotations stay, but for those that contain
    an identifier of the header, a text of `also`, a date, a long number, a title before a name or an address. Read
    what was kept: a name that the header does not state cannot be recognised.

    Parameters
    ----------
    recording
        The file.
    out
        Folder of the new file, whose name comes from the key file.
    key
        The key file, see `ictal.deidentification.key_file.create_key`. A dry run also works with None.
    settings
        What is removed, and how.
    progress
        Callback with the number of records that are copied.
    **changes
        Single fields of `settings`.

    Returns
    -------
    Deidentified
        What was removed, and what was kept. It names the patient.

    Raises
    ------
    UsageError
        If there is no key file, or it lies in `out`, or the folder's name holds an identifier.
    ReadError
        If the recording cannot be read, or is in another format.
    WriteError
        If the new file exists, or cannot be written.
    """
    settings, path, folder = settings.changed(changes), Path(recording), Path(out)
    file, stated = _open(path)
    identifiers = identifiers_of(*stated, path.stem, settings.also, settings.patient)
    _check_folder(folder, identifiers)
    results = FoundResults.find(settings.results, path) if settings.results else None
    row = _row(file, _patient(settings.patient, stated[0], path), key, folder, dry_run=settings.dry_run)
    target = folder / f"{row.name}{KINDS[file.is_bdf]}"
    beside = results_beside(folder)
    if target.exists():
        lacking = [one for one in results.planned(target, beside) if not one.exists()] if results else []
        hint = f"but {lacking[0]} does not; delete it to write both" if lacking else "name another folder with --out"
        raise WriteError(f"{target}: exists already, {hint}" + ("" if lacking else ", or delete it"))
    if results:
        results.check(target, beside)
    notes = tuple(_notes_of_key(Path(key), row)) if key else ()
    return _Job(file, identifiers, row, target, results, settings, notes).run(progress)


@dataclass(frozen=True)
class _Job:
    """A recording, what must not stay of it, its new name, its results, the settings, and notes on the key."""

    file: EdfFile
    identifiers: Identifiers
    row: KeyRow
    target: Path
    results: FoundResults | None
    settings: DeidentifySettings
    key_notes: tuple[str, ...]

    def run(self, progress: Progress) -> Deidentified:
        plan, annotations = HeaderPlan(self.file, self.identifiers), AnnotationFilter(self.identifiers)
        day, date_notes = _new_day(self.file, self.row.shift_days, self.settings.dates)
        header = plan.build(self.row.code, day)
        with _writing(None if self.settings.dry_run else self.target) as copy:
            if copy is not None:
                copy.write(header)
            copy_records(self.file, annotations, copy, progress)
        written, beside = [], results_beside(self.target.parent)
        if self.results and self.settings.dry_run:
            written = self.results.planned(self.target, beside)
        elif self.results:
            written = self.results.write(self.target, beside, self.identifiers)
        return Deidentified(
            self.file.path,
            self.target,
            (*plan.removals, *_file_removals(self.file, self.target), *annotations.removals),
            dict(annotations.kept.most_common()),
            tuple(plan.kept_labels),
            (*self.file.notes, *date_notes, *self.key_notes, *self._notes()),
            tuple(written),
            self.settings.dry_run,
        )

    def _notes(self) -> Iterator[str]:
        if self.row.patient.startswith(NO_PATIENT):
            yield "its header names no patient; this file has a code of its own"
        if self.row.code == NO_CODE:
            yield "without a key file, the new code, name and date are examples"
        if self.identifiers.skipped:
            yield f"too short or too common to be searched for: {listed(self.identifiers.skipped, 20)}"
        for found in filter(None, map(self.identifiers.known, self.target.parent.absolute().parts)):
            yield f"the path of the new folder holds {found}; an archive of its scores would state the path"
        if self.results:
            yield from self.results.notes


def _open(path: Path) -> tuple[EdfFile, tuple[str, str]]:
    """Return the file, and the text of its patient and recording fields."""
    try:
        if path.is_dir():
            raise ReadError(f"{path}: is a folder; name the EDF or BDF files in it")
        if format_of(path) not in KINDS:
            raise ReadError(
                f"{path}: is in another format; de-identified are EDF and BDF files. 'ictal convert' turns other "
                "formats into EDF+"
            )
        file = EdfFile.open(path)
        with path.open("rb") as opened:
            main = opened.read(MAIN_BYTES)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {reason(error)}") from error
    if (stated := number_in(main[184:192])) > file.header_bytes:
        raise ReadError(
            f"{path}: states a header of {stated:g} bytes, which its size contradicts; so it is not sure where the "
            "samples begin, and text may be among them"
        )
    return file, (text_of(main[8:88]), text_of(main[88:168]))


def _check_folder(folder: Path, identifiers: Identifiers) -> None:
    if folder.suffix.lower() in KINDS or folder.is_file():
        raise UsageError(f"{folder}: is not a folder; name one with --out. The key file gives the new file its name")
    for name in (*folder.parts, folder.absolute().name):  # results of the new files state their path
        if found := identifiers.known(name):
            raise UsageError(f"{folder}: '{name}' in its path holds {found}; name another folder with --out")


def _notes_of_key(key: Path, row: KeyRow) -> Iterator[str]:
    rows = read_key(key)
    if row not in rows:
        yield "a dry run adds nothing to the key file; if its patient is new, the code, name and date are examples"
    is_first = row.code not in {one.code for one in rows if one != row}
    if is_first and (other := similar_to(rows, row)):
        yield (
            f"the patient resembles '{other.patient}' of the key file; if it is the same one, delete this file, and "
            f'repeat with --patient "{other.patient}", so that it gets the code {other.code}, too'
        )


def check_apart(path: Path, folder: Path) -> None:
    """Raise a `UsageError` if a file that names the patients is in the folder of the new files, or of their results.

    Parameters
    ----------
    path
        The key file, or a report.
    folder
        The folder of the new files.
    """
    for one in (folder, results_beside(folder)):
        if one.resolve() in path.resolve().parents:
            raise UsageError(f"{path}: is in the folder of the new files, but names the patients; keep it elsewhere")


def _row(file: EdfFile, patient: str, key: str | Path | None, folder: Path, *, dry_run: bool) -> KeyRow:
    start = file.header_start
    of = (patient, file.path.name, f"{start:%Y-%m-%d %H:%M:%S}" if start else "")
    if key is None:
        if not dry_run:
            raise UsageError("a key file is needed, which says which patient has which code; name it with --key")
        return KeyRow(of[0], NO_CODE, SHIFT_DAYS[0], *of[1:], name=f"{NO_CODE}_01")
    path = Path(key)
    check_apart(path, folder)
    return find_row(read_key(path), *of) if dry_run else row_for(path, *of)


def _patient(by_user: str, field: str, path: Path) -> str:
    if by_user and names_nobody(by_user):
        raise UsageError(f"'{by_user}' names no patient; allowed with --patient are names, numbers and codes")
    return patient_of(by_user, path, 1) if by_user else patient_of(field, path)


def patient_of(field: str, path: Path, least: int = SHORTEST_PATIENT) -> str:
    """Return what stands for a patient in the key file: code, birthdate and name.

    Where the header names no patient, or only by a number such as 0, each file is a patient of its own.
    """
    found = PATIENT.fullmatch(field.strip())
    stated = " ".join(found.group(1, 3, 4)) if found else field
    known = printable(" ".join(word for word in stated.split() if word != "X"))
    return f"{NO_PATIENT}{path.absolute()}" if names_nobody(known, least) else known


def _new_day(file: EdfFile, shift_days: int, dates: str) -> tuple[date | None, list[str]]:
    """Return the new date of the start, or None, and notes."""
    if file.header_start is None or file.header_start.date() == FIRST_DAY:
        return None, [] if file.header_start is None else ["its date is 1985-01-01, which stands for an unknown one"]
    if dates == "remove":
        return None, []
    day = file.header_start.date() - timedelta(days=shift_days)
    if day.year not in YEARS:
        raise WriteError(
            f"{file.path}: its date, moved by {shift_days} days, would be in {day.year}; EDF can state {YEARS[0]} to "
            f"{YEARS[-1]}: use --dates remove"
        )
    return day, []


def _file_removals(file: EdfFile, target: Path) -> Iterator[Removal]:
    yield Removal("file name", file.path.name, target.name, "always replaced")
    end = file.header_bytes + file.n_records * file.record_bytes
    if extra := file.path.stat().st_size - end:
        yield Removal("end of the file", f"{extra} bytes", "", "after the last complete record")


@contextmanager
def _writing(target: Path | None) -> Iterator[BinaryIO | None]:
    """Yield a new file that gets its name when it is complete; None if there is no target."""
    if target is None:
        yield None
        return
    with atomic_write(target) as part, part.open("wb") as copy:
        yield copy
