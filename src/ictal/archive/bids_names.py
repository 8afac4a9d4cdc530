"""Names of recordings in a BIDS data set: those they have, or those that a table gives them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ictal.data.label_table import read_csv
from ictal.errors import UsageError, listed, raise_problems

LABEL = r"[0-9A-Za-z]+"
NAME = re.compile(rf"(sub-{LABEL})(?:_(ses-{LABEL}))?_(task-{LABEL}(?:_[a-z]+-{LABEL})*)_eeg", re.ASCII)
"""Entities of a raw EEG file, in the order of BIDS 1.10: subject, session, task, and others."""
REQUIRED = ("recording", "subject")
COLUMNS = {"subject": "sub", "session": "ses", "task": "task", "run": "run"}
"""Columns of a table of names, and the entity that each gives."""
TASK = "monitoring"
"""BIDS requires a task; in clinical EEG there is none."""


@dataclass(frozen=True, slots=True)
class BidsName:
    """The entities of a recording, such as 'sub-01', 'ses-2' (or '') and 'task-rest_run-1'."""

    subject: str
    session: str
    rest: str

    @property
    def folder(self) -> PurePosixPath:
        """The folder of its files within the data set."""
        return PurePosixPath(self.subject, self.session, "eeg")

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return "_".join(part for part in (self.subject, self.session, self.rest) if part)


def bids_names(recordings: Sequence[str], table: Path | None = None) -> dict[str, BidsName]:
    """Return the name of each recording.

    Parameters
    ----------
    recordings
        Ids of recordings in an archive: paths below its source.
    table
        CSV with the columns `recording` and `subject`, and optionally `session`, `task` and `run`. Without it, the
        recordings must have BIDS names.

    Raises
    ------
    UsageError
        If a recording has no BIDS name, and there is no table.
    TableError
        If the table lacks a recording, or has a label that is not made of letters and digits.
    """
    given = _from_table(table) if table else _from_paths(recordings)
    if table:
        missing = [one for one in recordings if one not in given]
        raise_problems(str(table), [f"recording '{one}' of the archive is missing" for one in missing])
    elif lacking := [one for one in recordings if one not in given]:
        raise UsageError(
            f"{len(lacking)} of {len(recordings)} recordings have no BIDS name (sub-LABEL_task-LABEL_eeg): "
            f"{listed(lacking, 3)}; give them one with --names, a CSV with the columns recording and subject, and "
            "optionally session, task and run"
        )
    _check_unique({one: given[one] for one in recordings}, table)
    return {one: given[one] for one in recordings}


def _from_paths(recordings: Iterable[str]) -> dict[str, BidsName]:
    found = {one: NAME.fullmatch(PurePosixPath(one).name.split(".")[0]) for one in recordings}
    return {one: BidsName(match[1], match[2] or "", match[3]) for one, match in found.items() if match}


def _from_table(path: Path) -> dict[str, BidsName]:
    frame = read_csv(path, REQUIRED)
    rows = {
        line: {name: row.get(name, "").strip() for name in COLUMNS} for line, row in frame.to_dict("index").items()
    }
    rows = {
        line: {name: text.removeprefix(f"{COLUMNS[name]}-") for name, text in row.items()}
        for line, row in rows.items()
    }
    problems = [
        f"line {line}: {name} '{text}'; allowed are {'digits' if name == 'run' else 'letters and digits'}"
        for line, row in rows.items()
        for name, text in row.items()
        if not re.fullmatch(r"[0-9]+" if name == "run" else LABEL, text) and (text or name == "subject")
    ]
    twice = frame["recording"][frame["recording"].duplicated()]
    problems += [f"line {line}: recording '{one}' is there twice" for line, one in twice.items()]
    raise_problems(str(path), problems)
    return {one: _named(row) for one, row in zip(frame["recording"], rows.values(), strict=True)}


def _named(row: Mapping[str, str]) -> BidsName:
    run = f"_run-{row['run']}" if row["run"] else ""
    session = f"ses-{row['session']}" if row["session"] else ""
    return BidsName(f"sub-{row['subject']}", session, f"task-{row['task'] or TASK}{run}")


def _check_unique(names: Mapping[str, BidsName], table: Path | None) -> None:
    """Raise an error if two recordings would have the same files, also where case does not matter."""
    groups: dict[str, list[str]] = defaultdict(list)
    for recording, name in names.items():
        groups[name.stem.lower()].append(recording)
    problems = [f"'{stem}' would be {listed(same)}" for stem, same in groups.items() if len(same) > 1]
    raise_problems(f"{table or 'recordings'}: names that are there twice (a column 'run' tells them apart)", problems)
