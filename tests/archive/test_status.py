"""The status counts the source as it is: what was added or changed is pending, and what has left is told apart."""

import json
import os
import shutil

import pytest

from ictal.archive.ledger import Row, claim_ledger
from ictal.archive.partition import KINDS, Partition
from ictal.archive.run_settings import ArchiveInfo, PartitionSettings
from ictal.archive.source import find_recordings
from ictal.archive.status import archive_status
from tests.archive.test_source import touch
from tests.cli.test_cli import call

MODEL = PartitionSettings(model="m", weights_sha256="0" * 64, card="c", step_s=10, engine="auto", interpolate=0)


@pytest.fixture
def archive(tmp_path):
    """Eight recordings, of which seven are done and one has failed; nothing of them is real but the names."""
    source = touch(tmp_path / "eeg", *(f"night{number}.edf" for number in range(8)))
    partition = Partition(tmp_path / "scored", MODEL.name)
    with claim_ledger(partition.folder) as ledger:
        for number, entry in enumerate(find_recordings(str(source))):
            state, reason = ("failed", f"{entry.address}: bad") if number == 0 else ("done", "")
            row = Row(entry.recording, entry.address, entry.fingerprint, MODEL.name, state, reason, 2.0, 3600.0)
            ledger.append(row)
            for kind in KINDS if state == "done" else ():
                touch(partition.folder, str(partition.file(kind, entry).relative_to(partition.folder)))
    ArchiveInfo(source=str(source), n_recordings=8, model=MODEL.name, scorings={MODEL.name: MODEL}).write(
        partition.folder
    )
    return partition.folder


def test_what_is_in_its_place_is_counted(archive):
    status = archive_status(archive)
    assert status.states == {"done": 7, "failed": 1, "quarantined": 0}
    assert (status.n_recordings, status.n_left, status.n_changed, status.n_departed) == (8, 0, 0, 0)
    assert (status.eeg_h, status.worker_h, status.unseen) == (14.0, 7.0, "")


def test_new_changed_and_departed_recordings_hide_nothing(archive):
    source = archive.parent / "eeg"
    touch(source, "new1.edf", "new2.edf")
    (source / "night1.edf").write_text("another EEG")
    os.utime(source / "night0.edf", (1, 1))  # which had failed
    for number in (2, 3, 4):
        (source / f"night{number}.edf").unlink()
    entry = next(one for one in find_recordings(str(source)) if one.recording == "night5.edf")
    Partition(archive, MODEL.name).file("events", entry).unlink()
    status = archive_status(archive)
    assert status.states == {"done": 2, "failed": 0, "quarantined": 0}
    assert (status.n_recordings, status.n_left, status.n_changed, status.n_departed) == (7, 5, 3, 3)
    assert (status.eeg_h, status.reasons) == (4.0, {})
    said = call("archive", "status", archive, "--json", archive.parent / "told.json").output
    assert "7 recordings: 2 done, 0 failed, 0 quarantined, 5 left (3 of them changed)" in said
    assert "3 more are no longer in the source; their results are kept, but not counted" in said
    told = json.loads((archive.parent / "told.json").read_text())
    assert (told["recordings"], told["done"], told["left"], told["changed"], told["departed"]) == (7, 2, 5, 3, 3)


def test_a_source_that_cannot_be_seen_is_said(archive):
    shutil.move(archive.parent / "eeg", archive.parent / "moved")
    status = archive_status(archive)
    assert (status.n_recordings, status.n_left, status.n_departed) == (8, 0, 0)
    assert "there is no such folder or manifest" in status.unseen
    said = call("archive", "status", archive).output
    assert "Counts are those of the last run, because the source cannot be listed:" in said
