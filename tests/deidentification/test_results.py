"""Results get the new name, and are what scoring the de-identified recording gives."""

from pathlib import Path

import pandas as pd
import pytest

from ictal.archive.ledger import Row, claim_ledger, write_table
from ictal.archive.query import query_archive
from ictal.archive.run_settings import ArchiveInfo, ArchiveSettings, PartitionSettings
from ictal.archive.source import find_recordings
from ictal.archive.status import archive_status
from ictal.archive.worker import score_entry
from ictal.core.recording import Annotation
from ictal.deidentification.deidentify import deidentify
from ictal.deidentification.results import ENDINGS
from ictal.errors import ReadError, WriteError
from ictal.io.edf.writer import write_edf
from ictal.io.recording_files import recording_hash
from ictal.report.results_folder import FORMATS, ResultsSettings, score_file
from ictal.scoring.engines import open_engine
from ictal.scoring.scores import Scores
from ictal.web.library import CONTENT
from ictal.web.votes import FILE, Votes
from tests.deidentification.helpers import PATIENT, new_key
from tests.scoring.helpers import eeg, exported, recording_of

SECRET = (b"smith", b"john", b"123456", b"29-feb", b"2024-02-29", b"weber")


def night(folder: Path, seed: int = 0) -> Path:
    """Write a recording of John Smith with an annotation that names him."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Smith_John.edf"
    notes = (Annotation(3.0, 0.0, "John moved"), Annotation(9.0, 0.0, "Eyes open"))
    write_edf(path, recording_of(eeg(40, seed=seed).clip(-3000, 3000), annotations=notes))
    data = bytearray(path.read_bytes())
    data[8:88], data[168:176] = PATIENT.encode().ljust(80), b"29.02.24"
    data[88:168] = b"Startdate 29-FEB-2024 X Weber X".ljust(80)
    path.write_bytes(data)
    return path


def secrets_in(folder: Path) -> list[tuple[str, bytes]]:
    """Return the file and the identifier of everything that is left below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [
        (path.name, word)
        for path in files
        for word in SECRET
        if word in path.name.lower().encode() + path.read_bytes().lower()
    ]


@pytest.fixture(scope="module")
def engine():
    return open_engine(exported(), threads=1)


def test_results_are_those_of_the_new_file_and_votes_have_its_content(tmp_path, engine):
    path, results = night(tmp_path / "old"), tmp_path / "ictal_Smith_John"
    scored = score_file(path, engine, results, ResultsSettings(formats=FORMATS))
    scores = scored.scores
    scores.manifest[CONTENT] = recording_hash(path)
    scores.write(results / "Smith_John_scores.parquet")
    votes = Votes(results / FILE)
    for name, pattern in (("Dr. Weber", "lpd"), ("Smith", "seizure")):
        votes.add_rater(name)
        votes.give(recording_hash(path), str(path), 5.0, name, pattern)
    assert secrets_in(results)
    key = new_key(tmp_path)
    planned = deidentify(path, tmp_path / "new", key, results=results, dry_run=True).results
    done = deidentify(path, tmp_path / "new", key, results=results)
    ends = {one.name.partition("_01")[2] or one.name for one in planned}
    assert ends == {*(end for ends in ENDINGS.values() for end in ends[:1]), "_scores.parquet", FILE}
    made = tmp_path / "new_results"
    assert not secrets_in(tmp_path / "new")
    assert not secrets_in(made)
    assert {one.name for one in done.results} == {
        one.name for one in made.iterdir() if not one.name.endswith((".json", "-wal", "-shm"))
    } | {
        f"{done.out.stem}_summary.json",
        f"{done.out.stem}_events.json",
    }
    found = Votes(made / FILE).all(recording_hash(done.out))
    assert [(vote.rater, vote.pattern, vote.time_s) for vote in found] == [
        ("Rater 1", "lpd", 5),
        ("Rater 2", "seizure", 5),
    ]
    again = score_file(done.out, engine, tmp_path / "again", ResultsSettings(formats=("csv", "bids"))).files
    for file in again:
        assert file.read_bytes() == (made / file.name).read_bytes()
    new = Scores.read(made / f"{done.out.stem}_scores.parquet")
    pd.testing.assert_frame_equal(new.frame, scores.frame)
    assert new.manifest[CONTENT] == recording_hash(done.out)
    assert "made" not in new.manifest
    assert [text for *_, text in new.recording.annotations] == ["Eyes open"]
    assert new.recording.start.date() < scores.recording.start.date()
    done.out.unlink()
    with pytest.raises(WriteError, match="exists already"):
        deidentify(path, tmp_path / "new", tmp_path / "key.csv", results=results)


def test_an_archive_becomes_one_of_the_new_files(tmp_path):
    source, old = tmp_path / "ward", tmp_path / "scored"
    paths = [night(source / f"Smith_{number}", number) for number in range(2)]
    scoring = PartitionSettings.of(exported(), ArchiveSettings())
    with claim_ledger(old) as ledger:
        for entry in find_recordings(str(source)):
            outcome = score_entry(scoring, old, entry)
            ledger.append(
                Row(entry.recording, entry.address, entry.fingerprint, scoring.name, **outcome.model_dump())
            )
        write_table(ledger.rows.values(), old)
    ArchiveInfo(source=str(source), n_recordings=2, model=scoring.name, scorings={scoring.name: scoring}).write(old)
    before = query_archive(old, "true", "burden")
    assert secrets_in(old)
    key = new_key(tmp_path)
    dry = deidentify(paths[0], tmp_path / "new", key, results=old, dry_run=True)
    assert dry.results == (tmp_path / "new_results" / "ledger.jsonl",)
    assert not (tmp_path / "new_results").exists()
    # The header of both is the same, so the name of the file or its folder would not tell them apart.
    paths[1] = paths[1].rename(paths[1].with_name("Smith_two.edf"))
    new = [deidentify(path, tmp_path / "new", key, results=old) for path in paths]
    assert "holds no results of this recording" in "; ".join(new[1].notes), "the archive knows its old name only"
    made = tmp_path / "new_results"
    assert not secrets_in(made)
    status = archive_status(made)
    assert (status.states["done"], status.n_left) == (1, 1), "the second is scored by the next run"
    after = query_archive(made, "true", "burden")
    assert set(after["recording"]) == {new[0].out.name}
    own = before[before["recording"] == "Smith_0/Smith_John.edf"]
    for column in ("pattern", "burden", "n_events"):
        assert after[column].tolist() == own[column].tolist()


def test_folders_without_results_are_noted_and_wrong_ones_are_errors(tmp_path):
    path, key = night(tmp_path / "old"), new_key(tmp_path)
    (tmp_path / "none").mkdir()
    done = deidentify(path, tmp_path / "new", key, results=tmp_path / "none")
    assert f"{tmp_path / 'none'} holds no results of this recording" in done.notes
    assert not (tmp_path / "new_results").exists()
    with pytest.raises(ReadError, match="is not a folder with results"):
        deidentify(path, tmp_path / "other", key, results=tmp_path / "missing")
    assert not (tmp_path / "other").exists()


def test_a_copy_without_its_results_is_an_error_that_says_so(tmp_path, engine):
    """As after a program that was killed between both."""
    path, key = night(tmp_path / "a"), new_key(tmp_path)
    score_file(path, engine, tmp_path / "results", ResultsSettings(formats=("parquet",)))
    done = deidentify(path, tmp_path / "new", key)
    with pytest.raises(WriteError, match=f"{done.out}: exists already, but .*_scores.parquet does not; delete it"):
        deidentify(path, tmp_path / "new", key, results=tmp_path / "results")


@pytest.mark.parametrize("is_there", [True, False])
def test_scores_of_another_recording_with_the_same_name_are_left_alone(tmp_path, engine, is_there):
    one, other = night(tmp_path / "a"), night(tmp_path / "b", seed=1)
    if not is_there:  # then only its content tells them apart
        other.write_bytes(
            other.read_bytes().replace(b"29.02.24", b"28.02.24").replace(b"29-FEB-2024", b"28-FEB-2024")
        )
    score_file(other, engine, tmp_path / "results", ResultsSettings(formats=("parquet",)))
    if not is_there:
        other.unlink()
    done = deidentify(one, tmp_path / "new", new_key(tmp_path), results=tmp_path / "results")
    assert done.results == ()
    assert f"{tmp_path / 'results'} holds no results of this recording" in done.notes
