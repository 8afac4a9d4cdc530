from pathlib import Path

import pandas as pd
import pytest

from ictal.archive.ledger import Row, claim_ledger
from ictal.archive.partition import Partition
from ictal.archive.query import query_archive
from ictal.archive.source import Entry
from ictal.errors import RunError, UnknownNameError
from ictal.scoring.score import score
from tests.scoring.helpers import Loudness, eeg, recording_of

NAMES = ("calm.edf", 'it\'s "loud"; drop table.edf', "loud.edf", "lost.edf")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Four recordings, the loud ones with a seizure by the lights of `Loudness`; one of them has failed."""
    folder = tmp_path_factory.mktemp("archive")
    calm = eeg(120)
    loud = calm.copy()
    loud[0] *= 60
    with claim_ledger(folder) as ledger:
        for name in NAMES:
            scores = score(recording_of(calm if name == "calm.edf" else loud, name=name), Loudness())
            entry = Entry(name, (f"/eeg/{name}",), "f1")
            Partition(folder, "loudness-1").write(entry, scores)
            state = "failed" if name == "lost.edf" else "done"
            ledger.append(Row(name, entry.address, "f1", "loudness-1", state, eeg_h=120 / 3600))
    return folder


def test_patterns_need_no_quotes_and_only_what_is_done_is_found(archive):
    found = query_archive(archive, "pattern = seizure and burden > 0.2")
    assert found["recording"].tolist() == [NAMES[1], "loud.edf"]
    assert set(found["model"]) == {"loudness-1"}
    quoted = query_archive(archive, "pattern = 'seizure' and burden > 0.2")
    pd.testing.assert_frame_equal(found, quoted)
    calm = query_archive(archive, "recording = 'calm.edf' and burden = 0")
    assert calm["pattern"].tolist() == ["seizure", "lpd", "gpd", "lrda", "grda"]


def test_each_table_is_asked_in_its_own_words(archive):
    events = query_archive(archive, "pattern = seizure and duration_s > 60", "events")
    assert set(events["recording"]) == {NAMES[1], "loud.edf"}
    scores = query_archive(archive, "recording = 'loud.edf' and seizure_probability > other_probability", "scores")
    assert len(scores) == 8
    lost = query_archive(archive, "state = failed", "recordings")
    assert lost["recording"].tolist() == ["lost.edf"]
    assert query_archive(archive, "eeg_h > 1", "recordings").empty


@pytest.mark.parametrize(
    "question",
    [
        "true) union all select * from read_csv('{secret}') --",
        "true; copy (select 1) to '{folder}/x.csv'",
        "exists (select * from read_text('{secret}'))",
        "exists (select * from '{secret}')",
        "pattern = seizures",
        "burden >",
        "",
    ],
)
def test_a_question_is_a_condition_and_nothing_else(archive, tmp_path, question):
    secret = tmp_path / "secret.csv"
    secret.write_text("recording\n1\n")
    before = sorted(archive.rglob("*"))
    with pytest.raises(RunError, match=r"cannot be answered: .*columns are recording, "):
        query_archive(archive, question.format(secret=secret, folder=archive))
    assert sorted(archive.rglob("*")) == before


def test_settings_cannot_be_taken_back(archive, monkeypatch):
    """Whatever a question holds, the connection can neither read other folders nor be made to."""
    import duckdb

    from ictal.archive.query import _relation

    with duckdb.connect(":memory:") as connection:
        _relation(connection, archive, "burden")
        with pytest.raises(duckdb.Error, match=r"locked|Cannot"):
            connection.execute("set enable_external_access = true")
        with pytest.raises(duckdb.PermissionException):
            connection.execute("select * from read_text('/etc/hostname')")


def test_what_is_no_archive_or_no_table_is_said(archive, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown table 'votes'; known are: burden, events"):
        query_archive(archive, "true", "votes")
    with pytest.raises(RunError, match="is no archive of scores"):
        query_archive(tmp_path, "true")
    with claim_ledger(tmp_path / "new"), pytest.raises(RunError, match="no recording is done yet"):
        query_archive(tmp_path / "new", "true")
