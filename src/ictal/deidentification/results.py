"""Results of ictal under the new name of a recording: scores and what is made of them, votes, and archives.

Everything else is made of the scores again, and what scores know about the file is read from the new file. So results
of a de-identified recording are what scoring it would have given.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ictal.archive.ledger import LEDGER, Row, claim_ledger, read_ledger, write_table
from ictal.archive.partition import KINDS, Partition
from ictal.archive.pieces import Entry
from ictal.archive.run_settings import INFO_FILE, ArchiveInfo
from ictal.archive.source import find_recordings, is_url
from ictal.core.hashing import same_file
from ictal.deidentification.identifiers import Identifiers
from ictal.errors import ReadError, WriteError
from ictal.io import open_recording
from ictal.io.recording_files import recording_hash
from ictal.report.results_folder import REPORT, write_report
from ictal.scoring.scores import Scores
from ictal.scoring.writers import WRITERS, scores_file
from ictal.web.library import CONTENT, belong_to_other_file, score_paths
from ictal.web.votes import FILE as VOTES_FILE
from ictal.web.votes import Vote, Votes

ENDINGS = {
    "csv": ("_scores.csv",),
    "bids": ("_events.tsv",),
    "edf": ("_annotated.edf", "_annotated.bdf"),
    "json": ("_summary.json",),
    REPORT: ("_report.html",),
}
"""Endings of the files of each format, by which it is known what was written for a recording."""
_HASH = re.compile(r"[0-9a-f]{16,}")
REMOVED = "removed"
"""Replaces texts of a manifest that hold an identifier."""


@dataclass(frozen=True)
class FoundResults:
    """The results of one recording.

    Attributes
    ----------
    folder
        Where they are.
    source
        The recording.
    scores
        Its scores in a folder of results, and the formats that were written of them.
    rows
        Its rows in the ledger of an archive.
    votes
        The votes on it.
    """

    folder: Path
    source: Path
    scores: tuple[Scores, tuple[str, ...]] | None
    rows: tuple[Row, ...]
    votes: tuple[Vote, ...]

    @classmethod
    def find(cls, folder: Path, source: Path) -> "FoundResults":
        """Find the results of a recording in a folder of `ictal score` or `ictal view`, or in an archive.

        Raises
        ------
        IctalError
            If there is no such folder, or results cannot be read.
        """
        if not folder.is_dir():
            raise ReadError(f"{folder}: is not a folder with results")
        if (folder / INFO_FILE).is_file():
            rows = read_ledger(folder).values()
            own = [row for row in rows if not is_url(row.address) and same_file(Path(row.address), source)]
            return cls(folder, source, None, tuple(own), ())
        file = folder / VOTES_FILE
        votes = Votes(file).all(recording_hash(source)) if file.is_file() else []
        return cls(folder, source, _scores_in(folder, source), (), tuple(votes))

    @property
    def notes(self) -> Iterator[str]:
        """What has no new name."""
        if not (self.scores or self.rows or self.votes):
            yield f"{self.folder} holds no results of this recording"
        for row in self.rows:
            if row.state != "done":
                yield f"was not scored in the archive ({row.state}), so it is missing in the new one"

    def check(self, target: Path, out: Path) -> None:
        """Raise a `WriteError` if results of the new recording exist already."""
        file = out / scores_file(target)
        if self.scores and file.exists():
            raise WriteError(f"{file}: exists already; delete it, or name another folder with --out")

    def planned(self, target: Path, out: Path) -> list[Path]:
        """Return the main files that `write` would write."""
        planned = [out / scores_file(target)] if self.scores else []
        planned += [out / f"{target.stem}{ENDINGS[name][0]}" for name in (self.scores[1] if self.scores else ())]
        planned += [out / VOTES_FILE] if self.votes else []
        return planned + ([out / LEDGER] if any(row.state == "done" for row in self.rows) else [])

    def write(self, target: Path, out: Path, identifiers: Identifiers) -> list[Path]:
        """Write them to another folder under the name of the new recording, and return the files.

        Raises
        ------
        IctalError
            If a file cannot be written.
        """
        written: list[Path] = []
        if self.scores:
            scores, formats = self.scores
            written += _write(_renamed(scores, target, identifiers), target, out, formats)
        if self.votes:
            written.append(self._write_votes(target, out))
        if any(row.state == "done" for row in self.rows):
            written += self._write_archive(target, out, identifiers)
        return written

    def _write_votes(self, target: Path, out: Path) -> Path:
        """Write the votes with numbers for the raters, and without the times at which they voted."""
        votes, content = Votes(out / VOTES_FILE), recording_hash(target)
        numbers = {name: f"Rater {i}" for i, name in enumerate(Votes(self.folder / VOTES_FILE).raters(), 1)}
        for vote in self.votes:
            votes.add_rater(numbers[vote.rater])
            votes.give(content, str(target), vote.time_s, numbers[vote.rater], vote.pattern)
        return votes.path

    def _write_archive(self, target: Path, out: Path, identifiers: Identifiers) -> list[Path]:
        """Add the recording to an archive whose source is the folder of the new recordings."""
        source = str(target.parent.absolute())
        entries = {entry.recording: entry for entry in find_recordings(source)}
        new, info, written = entries[target.name], ArchiveInfo.read(self.folder), []
        with claim_ledger(out) as ledger:
            earlier = ArchiveInfo.read(out).scorings if (out / INFO_FILE).is_file() else {}
            changed = {"source": source, "n_recordings": len(entries), "scorings": earlier | info.scorings}
            info.model_copy(update=changed).write(out)
            for row in (row for row in self.rows if row.state == "done"):
                old = Entry(row.recording, (row.address,), row.fingerprint)
                scores = Scores.read(Partition(self.folder, row.model).file("scores", old))
                scores = replace(scores, frame=scores.frame.drop(columns="recording"))
                partition = Partition(out, row.model)
                partition.write(new, _renamed(scores, target, identifiers, name=new.address))
                where = (new.recording, new.address, new.fingerprint, row.model)
                ledger.append(Row(*where, "done", "", row.eeg_h, row.duration_s, row.tries))
                written += [partition.file(kind, new) for kind in KINDS]
            write_table(ledger.rows.values(), out)
        return written


def results_beside(out: Path) -> Path:
    """Return the folder for the results of the recordings in a folder."""
    whole = Path(os.path.normpath(out.absolute())) if out.name in ("", "..") else out
    return whole.parent / f"{whole.name}_results"


def _scores_in(folder: Path, source: Path) -> tuple[Scores, tuple[str, ...]] | None:
    """Return the scores of a recording, and the formats that were written of them."""
    for path in filter(Path.is_file, score_paths(folder, source)):
        scores, recording = Scores.read(path), open_recording(source, accept_doubtful=True)
        is_other = (scores.recording.channels, scores.recording.start) != (recording.channels, recording.start)
        if is_other or belong_to_other_file(scores, source):
            continue
        stem = path.name.removesuffix("_scores.parquet")
        formats = [name for name, ends in ENDINGS.items() if any((folder / f"{stem}{end}").is_file() for end in ends)]
        return scores, tuple(formats)
    return None


def _renamed(scores: Scores, target: Path, identifiers: Identifiers, name: str = "") -> Scores:
    """Return scores of the new recording."""
    recording = open_recording(target, accept_doubtful=True)  # its scores were wanted
    info = scores.recording.model_copy(
        update={
            "name": name or str(target),
            "start": recording.start,
            "channels": recording.channels,
            "annotations": tuple((note.onset_s, note.duration_s, note.text) for note in recording.annotations),
            "notes": tuple(note for note in scores.recording.notes if not identifiers.find(note)),
        }
    )
    manifest = {key: value for key, value in scores.manifest.items() if key != "made"}  # it may be the day of the EEG
    if CONTENT in manifest:
        manifest[CONTENT] = recording_hash(target)
    return replace(scores, recording=info, manifest=_cleaned(manifest, identifiers))


def _cleaned(value: Any, identifiers: Identifiers) -> Any:
    """Return plain values without texts that hold a known identifier."""
    if isinstance(value, dict):
        return {key: _cleaned(one, identifiers) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, identifiers) for one in value]
    is_text = isinstance(value, str) and not _HASH.fullmatch(value)
    return REMOVED if is_text and identifiers.known(value) else value


def _write(scores: Scores, target: Path, out: Path, formats: tuple[str, ...]) -> list[Path]:
    written = WRITERS["parquet"](scores, out)
    for name in formats:
        if name == REPORT:
            written += write_report(scores, open_recording(target, accept_doubtful=True), out)
        else:
            written += WRITERS[name](scores, out)
    return written
