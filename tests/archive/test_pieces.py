"""Pieces of one recording in archives: found by a pattern or a column, scored as one, and again when one changes."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from ictal.archive import worker
from ictal.archive.ledger import claim_ledger
from ictal.archive.partition import Partition
from ictal.archive.run import retry_archive, score_archive
from ictal.archive.run_settings import ArchiveSettings, PartitionSettings
from ictal.archive.source import find_recordings
from ictal.archive.status import archive_status
from ictal.archive.worker import score_entry
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.distributed import Cluster
from ictal.errors import RunError, TableError, UsageError
from ictal.io.edf.writer import write_edf
from ictal.io.recording_files import recording_hash
from ictal.scoring.pipeline import score
from ictal.scoring.scores import Scores
from tests.archive.test_source import touch
from tests.scoring.helpers import eeg, exported, recording_of

START = datetime(2024, 2, 29, 22)


def write_night(folder: Path, *names: str, seconds: int = 60, seed: int = 0) -> Path:
    """Write one recording in pieces of the same length, and return the folder."""
    samples = np.round(eeg(seconds * len(names), seed=seed).clip(-3000, 3000), 1)
    for number, name in enumerate(names):
        own = samples[:, 200 * seconds * number : 200 * seconds * (number + 1)]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_edf(folder / name, recording_of(own, start=START + timedelta(seconds=seconds * number)))
    return folder


def joined(source: object, pattern: str = "") -> dict[str, list[str]]:
    """Return the names of the pieces of each recording; none for a file that is not joined."""
    return {
        entry.recording: [Path(piece.address).name for piece in entry.pieces]
        for entry in find_recordings(str(source), pattern)
    }


A, B, C = {"w/a": ["a_1.edf", "a_2.EDF"]}, {"w/b_x": ["b_x_1.edf"]}, {"w/c.edf": []}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{recording}_*.edf", A | B | C | {"v/a": ["a_1.edf"]}),
        ("{recording}_?.EDF", A | B | C | {"v/a": ["a_1.edf"]}),
        ("./w/{recording}_*", A | B | C | {"v/a_1.edf": []}),
        ("{recording}/*.edf", {"w": ["a_1.edf", "a_2.EDF", "b_x_1.edf", "c.edf"], "v": ["a_1.edf"]}),
        ("*/{recording}_1.edf", C | {"a": ["a_1.edf", "a_1.edf"], "b_x": ["b_x_1.edf"], "w/a_2.EDF": []}),
    ],
)
def test_a_pattern_groups_names_and_keeps_the_other_files(tmp_path, pattern, names):
    touch(tmp_path, "w/a_1.edf", "w/a_2.EDF", "w/b_x_1.edf", "w/c.edf", "v/a_1.edf")
    assert joined(tmp_path, pattern) == names


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("night_*.edf", r"'night_\*\.edf': needs \{recording\} once.*'\{recording\}_\*\.edf' for night_01\.edf"),
        ("{recording}_{recording}", r"needs \{recording\} once"),
        ("{recording}-*.edf", r"matches no recording in .*; there are a_1\.edf, a_2\.edf, b_1\.edf, b_2\.edf$"),
    ],
)
def test_a_pattern_that_joins_nothing_is_refused_with_an_example(tmp_path, pattern, told):
    with pytest.raises(UsageError, match=told):
        find_recordings(str(touch(tmp_path, "b_1.edf", "a_1.edf", "a_2.edf", "b_2.edf")), pattern)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_of_a_manifest_names_the_recording_of_each_piece(tmp_path, suffix):
    touch(tmp_path, "d1/x.edf", "d2/y.bdf", "z.edf")
    files = ["d1/x.edf", "d2/y.bdf", "d2/y.bdf", "z.edf"]
    table = pd.DataFrame({"file": files, "recording": ["p7", "p7", " p7", None], "start_s": range(4)})
    path = tmp_path / f"list.{suffix}"
    getattr(table, f"to_{suffix}")(path, index=False)
    assert joined(path) == {"p7": ["x.edf", "y.bdf"], "z.edf": []}
    entry = find_recordings(str(path))[0]
    assert entry.address == str(tmp_path / "d1" / "p7")
    assert entry.n_bytes == sum((tmp_path / name).stat().st_size for name in files[:2])
    table.assign(recording=["p7", "p7", "p8", "z.edf"]).to_csv(tmp_path / "bad.csv")
    with pytest.raises(TableError, match=r"d2/y\.bdf have several values of 'recording'; allowed is one per file"):
        find_recordings(str(tmp_path / "bad.csv"))
    table.assign(recording=["z.edf", "", "", ""]).to_csv(tmp_path / "bad.csv")
    with pytest.raises(TableError, match=r"z\.edf would be the name of a joined recording, but is that of a file"):
        find_recordings(str(tmp_path / "bad.csv"))


def test_the_fingerprint_changes_with_any_piece(tmp_path):
    touch(tmp_path, "n_1.edf", "n_2.edf", "m_1.edf")

    def known() -> dict[str, str]:
        return {entry.recording: entry.fingerprint for entry in find_recordings(str(tmp_path), "{recording}_*.edf")}

    seen = [known()]
    for change in (
        lambda: (tmp_path / "n_2.edf").write_text("longer than it was"),
        lambda: touch(tmp_path, "n_3.edf"),
        lambda: (tmp_path / "n_1.edf").unlink(),
        lambda: (tmp_path / "n_3.edf").rename(tmp_path / "n_4.edf"),
    ):
        change()
        seen.append(known())
    assert len({one["n"] for one in seen}) == 5
    assert len({one["m"] for one in seen}) == 1


@pytest.fixture(scope="module")
def scoring() -> PartitionSettings:
    return PartitionSettings.of(exported(), ArchiveSettings(join="{recording}_*.edf"))


@pytest.fixture
def out(tmp_path) -> Path:
    with claim_ledger(tmp_path / "out"):
        return tmp_path / "out"


def test_a_joined_recording_has_the_scores_of_the_whole_and_names_its_pieces(tmp_path, out, scoring):
    source = write_night(tmp_path / "eeg", "w/n_1.edf", "w/n_2.edf")
    write_night(source, "whole.edf", seconds=120)
    night, whole = find_recordings(str(source), "{recording}_*.edf")
    outcome = score_entry(scoring, out, night)
    assert (outcome.state, outcome.eeg_h) == ("done", pytest.approx(120 / 3600))
    found, expected = (
        Scores.read(Partition(out, scoring.name).file("scores", night)),
        score(whole.address, exported()),
    )
    columns = list(PROBABILITY_COLUMNS)
    np.testing.assert_array_equal(found.frame[columns], expected.frame[columns])
    assert found.recording.name == str(source / "w" / "n")
    assert [(piece.name, piece.onset_s) for piece in found.recording.pieces] == [
        (str(source / "w" / "n_1.edf"), 0.0),
        (str(source / "w" / "n_2.edf"), 60.0),
    ]
    assert found.recording.pieces[1].content == recording_hash(source / "w" / "n_2.edf")


def test_pieces_behind_a_url_are_fetched_one_by_one_although_names_repeat(tmp_path, out, scoring, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(worker, "_scratch", lambda: str(scratch))
    source, files = write_night(tmp_path / "eeg", "d1/n.edf", "d2/n.edf"), fsspec.filesystem("memory")
    for path in source.rglob("*.edf"):
        files.pipe(f"/cut/{path.relative_to(source)}", path.read_bytes())
    (night,) = find_recordings("memory://cut", "*/{recording}.edf")
    assert score_entry(scoring, out, night).state == "done"
    found = Scores.read(Partition(out, scoring.name).file("scores", night)).recording
    assert [piece.name for piece in found.pieces] == [piece.address for piece in night.pieces]
    files.rm("/cut/d2/n.edf")
    told = score_entry(scoring, out, night)
    assert (told.state, told.reason) == ("failed", f"{night.pieces[1].address}: there is no such file")
    assert list(scratch.iterdir()) == []


def test_pieces_that_cannot_be_joined_are_a_failure_that_names_them(tmp_path, out, scoring):
    source = write_night(tmp_path / "eeg", "n_1.edf", "n_2.edf")
    write_edf(source / "n_3.edf", recording_of(eeg(12, seed=3), start=START + timedelta(seconds=100)))
    (night,) = find_recordings(str(source), "{recording}_*.edf")
    told = score_entry(scoring, out, night)
    assert told.state == "failed"
    assert told.reason.startswith(f"{source / 'n'}: 3 pieces cannot be joined: 1 problem")
    assert "n_3.edf begins 20 s before n_2.edf ends" in told.reason
    absent = replace(night, pieces=(*night.pieces[:2], replace(night.pieces[2], parts=(str(source / "n_4.edf"),))))
    assert "n_4.edf: there is no such file" in score_entry(scoring, out, absent).reason


@pytest.mark.slow
def test_a_run_scores_a_recording_again_when_a_piece_is_new_or_gone(tmp_path):
    source, out = write_night(tmp_path / "eeg", "n_1.edf", "n_2.edf", "n_3.edf"), tmp_path / "out"
    how = {"cluster": Cluster(workers=1), "join": "{recording}_*.edf"}
    third = (source / "n_3.edf").read_bytes()
    (source / "n_3.edf").unlink()
    assert score_archive(source, out, exported(), **how).eeg_h == pytest.approx(120 / 3600)
    (source / "n_3.edf").write_bytes(third)
    assert (archive_status(out).n_left, archive_status(out).n_changed) == (1, 1)
    assert score_archive(source, out, exported(), **how).eeg_h == pytest.approx(180 / 3600)
    (source / "n_2.edf").unlink()
    assert score_archive(source, out, exported(), **how).eeg_h == pytest.approx(180 / 3600), "a gap is part of it"
    assert retry_archive(out, cluster=Cluster(workers=1)).states == {"done": 1, "failed": 0, "quarantined": 0}
    with pytest.raises(RunError, match=r"was made with --join '\{recording\}_\*\.edf', but this run is without"):
        score_archive(source, out, exported())
