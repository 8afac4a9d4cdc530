"""What a worker does with one recording, without a cluster."""

import errno
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from ictal.archive import worker
from ictal.archive.ledger import claim_ledger
from ictal.archive.partition import KINDS, Partition
from ictal.archive.pieces import Entry
from ictal.archive.run_settings import ArchiveSettings, PartitionSettings
from ictal.archive.source import find_recordings
from ictal.archive.worker import FetchError, score_entry
from ictal.scoring import scores as scores_module
from ictal.scoring.burden import burden
from ictal.scoring.engines import open_engine
from ictal.scoring.pipeline import score
from ictal.scoring.scores import Scores
from tests.archive.helpers import edf
from tests.scoring.helpers import exported


@pytest.fixture(scope="module")
def scoring() -> PartitionSettings:
    return PartitionSettings.of(exported(), ArchiveSettings(step_s=10.0, engine="auto", interpolate=0))


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    return edf(tmp_path_factory.mktemp("night") / "night.edf", 90)


@pytest.fixture
def out(tmp_path) -> Path:
    with claim_ledger(tmp_path / "out"):
        return tmp_path / "out"


def entry_of(path: Path) -> Entry:
    return Entry(path.name, (str(path),), "f1")


def test_what_is_written_is_what_score_gives(night, out, scoring):
    outcome = score_entry(scoring, out, entry_of(night))
    assert (outcome.state, outcome.reason, outcome.eeg_h) == ("done", "", pytest.approx(90 / 3600))
    expected = score(night, exported())
    partition = Partition(out, scoring.name)
    found = Scores.read(partition.file("scores", entry_of(night)))
    pd.testing.assert_frame_equal(found.frame.drop(columns="recording"), expected.frame)
    assert found.recording == expected.recording
    events = pd.read_parquet(partition.file("events", entry_of(night)))
    told = events[["start_s", "stop_s", "pattern"]].itertuples(index=False, name=None)
    assert list(told) == [(event.start_s, event.stop_s, event.pattern) for event in expected.events()]
    whole = burden(expected.frame, expected.events(), "90s")
    rows = pd.read_parquet(partition.file("burden", entry_of(night)))
    assert rows["pattern"].tolist() == whole["pattern"].tolist()
    np.testing.assert_allclose(rows["burden"], whole["burden"])
    np.testing.assert_allclose(rows["mean_probability"], whole["mean_probability"])
    assert rows["n_events"].sum() == len(expected.events())


def test_the_model_is_loaded_once_per_process(night, out, scoring, monkeypatch):
    opened = []
    monkeypatch.setattr(worker, "open_engine", lambda *what: opened.append(what) or open_engine(*what))
    worker._open_engine.cache_clear()
    for _ in range(3):
        assert score_entry(scoring, out, entry_of(night)).state == "done"
    assert [threads for *_, threads in opened] == [1]


def test_a_partition_changes_with_model_and_settings_and_not_with_where_the_model_lies(scoring):
    names = {
        scoring.name,
        PartitionSettings.of(exported(), ArchiveSettings(step_s=5.0, engine="auto", interpolate=0)).name,
        PartitionSettings.of(exported(), ArchiveSettings(step_s=10.0, engine="onnxruntime", interpolate=0)).name,
        PartitionSettings.of(exported(), ArchiveSettings(step_s=10.0, engine="auto", interpolate=1)).name,
        scoring.model_copy(update={"weights_sha256": "0"}).name,
        scoring.model_copy(update={"card": "0"}).name,
    }
    assert len(names) == 6
    moved = scoring.model_copy(update={"model": f"/elsewhere/{exported().name}"})
    assert moved.name == scoring.name


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty"), (b"0       " + b"x" * 200, "is truncated"), (None, "there is no such file")],
)
def test_a_file_that_cannot_be_scored_is_an_outcome_with_a_reason(tmp_path, out, scoring, content, told):
    path = tmp_path / "bad.edf"
    if content is not None:
        path.write_bytes(content)
    outcome = score_entry(scoring, out, entry_of(path))
    assert outcome.state == "failed"
    assert str(path) in outcome.reason
    assert told in outcome.reason
    assert not any((out / kind).exists() for kind in KINDS)


def test_whatever_a_library_raises_is_an_outcome(night, out, scoring, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(worker, "score", fail)
    outcome = score_entry(scoring, out, entry_of(night))
    words = f"{entry_of(night).address}: unexpected error: ZeroDivisionError: division by zero"
    assert (outcome.state, outcome.reason) == ("failed", words)


@pytest.mark.parametrize("error", [MemoryError, FetchError])
def test_what_may_pass_is_raised(night, out, scoring, monkeypatch, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(worker, "score", fail)
    with pytest.raises(error):
        score_entry(scoring, out, entry_of(night))


def test_what_would_befall_every_recording_stops(night, out, scoring, tmp_path, monkeypatch):
    nowhere = score_entry(scoring, tmp_path / "nowhere", entry_of(night))
    changed = score_entry(scoring.model_copy(update={"card": "other"}), out, entry_of(night))

    def full(table: object, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scores_module.pq, "write_table", full)
    no_room = score_entry(scoring, out, entry_of(night))
    assert {one.state for one in (nowhere, changed, no_room)} == {"stop"}
    assert "all workers must share the folder of results" in nowhere.reason
    assert "differs from the model" in changed.reason
    assert "cannot be written: No space left on device" in no_room.reason
    assert not list(out.rglob("*.parquet"))


def test_a_remote_recording_is_fetched_with_its_parts_scored_and_removed(night, out, scoring, monkeypatch, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(worker, "_scratch", lambda: str(scratch))
    files = fsspec.filesystem("memory")
    files.pipe("/remote/sub-01_eeg.edf", night.read_bytes())
    files.pipe("/remote/sub-01_channels.tsv", b"name\ttype\tunits\tstatus\nEEG Fp1-REF\tEEG\tuV\tbad\n")
    files.pipe("/remote/empty.edf", b"")
    empty, entry = find_recordings("memory://remote")
    told = score_entry(scoring, out, entry)
    assert (told.state, "Fp1" in told.reason) == ("failed", True), "channels.tsv says that it is bad"
    files.rm("/remote/sub-01_channels.tsv")
    entry = find_recordings("memory://remote")[1]
    assert score_entry(scoring, out, entry).state == "done"
    assert Scores.read(Partition(out, scoring.name).file("scores", entry)).recording.name == entry.address
    told = score_entry(scoring, out, empty)
    assert (told.state, told.reason) == ("failed", f"{empty.address}: is empty")
    assert score_entry(scoring, out, replace(entry, parts=("memory://gone.edf",))).state == "failed"
    huge = score_entry(scoring, out, replace(entry, n_bytes=10**18))
    assert (huge.state, "is too small for memory://" in huge.reason) == ("stop", True)
    assert list(scratch.iterdir()) == []


def test_a_connection_that_breaks_is_tried_again_and_a_full_disk_is_not(out, scoring, monkeypatch):
    files = fsspec.filesystem("memory")
    files.pipe("/remote/a.edf", b"0")
    for number, expected in ((errno.ECONNRESET, "raised"), (errno.ENOSPC, "stop")):

        def fail(*_: object, number: int = number, **__: object) -> None:
            raise OSError(number, "it broke")

        monkeypatch.setattr(files, "get", fail)
        entry = Entry("a.edf", ("memory://remote/a.edf",), "f1")
        if expected == "stop":
            assert score_entry(scoring, out, entry).state == "stop"
        else:
            with pytest.raises(FetchError, match=r"memory://remote/a.edf: cannot be downloaded: .*it broke"):
                score_entry(scoring, out, entry)
