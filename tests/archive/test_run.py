"""Whole runs: what is done, what is done again, and what is not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ictal.archive.ledger import claim_ledger, read_ledger
from ictal.archive.pieces import Entry
from ictal.archive.run import _check_folder, _Origin, _row, retry_archive, score_archive
from ictal.archive.run_settings import ArchiveSettings
from ictal.archive.status import archive_status
from ictal.archive.worker import FetchError
from ictal.distributed import Cluster, Finished
from ictal.errors import ReadError, RunError, UnknownNameError, WriteError
from tests.archive.helpers import check_adds_up, edf, make_source
from tests.scoring.helpers import exported

ONE = Cluster(workers=1)


class Told:
    """What a run has told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []

    def __call__(self, event: str, known: dict) -> None:
        self.events.append((event, known))

    def names(self, event: str) -> list[str]:
        return sorted(known["recording"] for name, known in self.events if name == event)

    def due(self) -> int:
        return next(known["due"] for name, known in self.events if name == "planned")


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> tuple[Path, Path, Told]:
    """A source of which two recordings cannot be read, and the archive of it."""
    top = tmp_path_factory.mktemp("run")
    source = make_source(top / "eeg", 5)
    (source / "ward0" / "empty.edf").touch()
    (source / "cut.edf").write_bytes((source / "ward0" / "r0000.edf").read_bytes()[:300])
    told = Told()
    status = score_archive(source, top / "out", exported(), cluster=Cluster(workers=2), tell=told)
    assert (status.states, status.n_left) == ({"done": 5, "failed": 2, "quarantined": 0}, 0)
    return source, top / "out", told


@pytest.fixture
def copy(scored, tmp_path) -> tuple[Path, Path]:
    """A copy that a test may change; the source of an archive is a path, so that it stays where it is."""
    source, out, _ = scored
    shutil.copytree(out, tmp_path / "out")
    backup = tmp_path / "eeg"
    shutil.copytree(source, backup)
    yield source, tmp_path / "out"
    shutil.rmtree(source)
    shutil.copytree(backup, source)  # with the times of the files, by which changes are seen


def test_every_recording_is_in_the_ledger_and_in_each_data_set_once(scored):
    source, out, told = scored
    recordings = {str(path.relative_to(source)) for path in source.rglob("*.edf")}
    rows = check_adds_up(out, recordings, {"cut.edf", "ward0/empty.edf"})
    assert rows.loc["ward0/empty.edf", "reason"].endswith("empty.edf: is empty")
    assert told.names("done") == sorted(recordings - {"cut.edf", "ward0/empty.edf"})
    assert told.names("failed") == ["cut.edf", "ward0/empty.edf"]
    assert rows.loc[rows["state"] == "done", "eeg_h"].tolist() == pytest.approx([12 / 3600] * 5)
    assert len(set(rows["model"])) == 1


def test_how_an_archive_stands_is_said_by_its_folder(scored):
    _, out, _ = scored
    status = archive_status(out)
    assert status.to_json() == {
        "model": status.model,
        "recordings": 7,
        "done": 5,
        "failed": 2,
        "quarantined": 0,
        "left": 0,
        "eeg_h": pytest.approx(60 / 3600),
        "worker_h": status.worker_h,
        "eeg_h_per_worker_h": pytest.approx(60 / 3600 / status.worker_h),
        "reasons": status.reasons,
        "changed": 0,
        "departed": 0,
        "source_unseen": "",
    }
    assert sum(status.reasons.values()) == 2
    assert status.reasons["...: is empty"] == 1
    with pytest.raises(UnknownNameError, match="unknown partition 'other'"):
        archive_status(out, "other")


def test_a_second_run_starts_no_worker_and_changes_nothing(copy):
    source, out = copy
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet") if path.parent != out}
    lines, told = (out / "ledger.jsonl").read_bytes(), Told()
    status = score_archive(source, out, exported(), cluster=ONE, tell=told)
    assert [name for name, _ in told.events] == ["planned"]
    assert told.due() == 0
    assert status.states["done"] == 5
    assert (out / "ledger.jsonl").read_bytes() == lines
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_only_what_is_new_changed_or_missing_is_done_again(copy):
    source, out = copy
    changed = edf(source / "ward0" / "r0000.edf", 14, seed=9)
    edf(source / "new.edf")
    edf(source / "cut.edf")  # was bad
    (source / "ward1" / "r0001.edf").write_bytes(b"")  # was good
    missing = next((out / "burden").rglob("r0002-*.parquet"))
    missing.unlink()
    next((out / "scores").rglob("r0003-*.parquet")).with_name(".r.parquet.1-1.part").touch()
    told = Told()
    score_archive(source, out, exported(), cluster=ONE, tell=told)
    assert told.names("done") == ["cut.edf", "new.edf", "ward0/r0000.edf", "ward2/r0002.edf"]
    assert told.names("failed") == ["ward1/r0001.edf"]
    assert missing.exists()
    recordings = {str(path.relative_to(source)) for path in source.rglob("*.edf")}
    rows = check_adds_up(out, recordings, {"ward0/empty.edf", "ward1/r0001.edf"})
    assert rows.loc[str(changed.relative_to(source)), "eeg_h"] == pytest.approx(14 / 3600)


def test_other_settings_go_to_a_partition_of_their_own(copy):
    source, out = copy
    before = {path: path.stat().st_mtime_ns for path in (out / "scores").rglob("*.parquet")}
    told = Told()
    status = score_archive(source, out, exported(), ArchiveSettings(cluster=ONE), step_s=5, tell=told)
    assert told.due() == 7
    assert len(list((out / "scores").iterdir())) == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    models = {model for _, model in read_ledger(out)}
    assert len(models) == 2
    (other,) = models - {status.model}
    assert archive_status(out, other).states == status.states


def test_retry_tries_what_failed_and_nothing_else(copy):
    source, out = copy
    edf(source / "new.edf")
    shutil.copyfile(source / "ward0" / "r0000.edf", source / "cut.edf")
    told = Told()
    status = retry_archive(out, cluster=ONE, tell=told)
    assert (told.names("done"), told.names("failed")) == (["cut.edf"], ["ward0/empty.edf"])
    assert status.states == {"done": 6, "failed": 1, "quarantined": 0}
    assert status.n_left == 1


def test_a_folder_that_cannot_take_the_results_is_refused_before_anything_is_scored(scored, tmp_path):
    source, out, _ = scored
    other = make_source(tmp_path / "other", 1)
    with pytest.raises(RunError, match=r"is an archive of .*/eeg, not of .*/other"):
        score_archive(other, out, exported())
    with pytest.raises(UnknownNameError, match="unknown setting 'steps'; known are: step_s, engine"):
        score_archive(source, out, exported(), steps=5)
    with pytest.raises(WriteError, match="is in the source"):
        score_archive(other, other / "out", exported())
    with pytest.raises(RunError, match="contains files but no archive"):
        score_archive(source, other, exported())
    with pytest.raises(ReadError, match="there is no such folder or manifest"):
        score_archive(tmp_path / "nowhere", tmp_path / "out", exported())
    with pytest.raises(RunError, match="is not an archive of scores"):
        retry_archive(tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_killed_at_its_very_beginning_goes_on(scored, tmp_path):
    """The ledger is there before all else."""
    source, _, _ = scored
    with claim_ledger(tmp_path / "out"):
        pass
    _check_folder(_Origin(str(source), ""), tmp_path / "out")
    (tmp_path / "out" / "notes.txt").touch()
    with pytest.raises(RunError, match="contains files but no archive"):
        _check_folder(_Origin(str(source), ""), tmp_path / "out")


def test_what_is_wrong_with_the_workers_ends_the_run_and_blames_no_recording():
    """As a worker of another cluster on which ictal is not installed."""
    entry = Entry("a.edf", ("/eeg/a.edf",), "f1")
    for error, told in ((MemoryError(), "it needed more memory than a worker has"), (FetchError("gone"), "gone")):
        row = _row(Finished(entry, None, error, 3), "model-0")
        assert (row.state, row.reason, row.tries) == ("quarantined", f"{told} (3 tries)", 3)
    with pytest.raises(RunError, match="a worker cannot do its work: ModuleNotFoundError: No module named 'ictal'"):
        _row(Finished(entry, None, ModuleNotFoundError("No module named 'ictal'"), 1), "model-0")


def test_the_data_sets_are_read_by_others(scored):
    """As one table each, with the partition as a column."""
    _, out, _ = scored
    table = pd.read_parquet(out / "scores")
    assert table["model"].unique().tolist() == [archive_status(out).model]
    assert json.loads((out / "archive.json").read_text())["n_recordings"] == 7
    assert replace(archive_status(out), n_recordings=9).n_left == 2
