import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictal.archive.ledger import Row, claim_ledger
from ictal.archive.partition import Partition
from ictal.archive.pieces import Entry
from ictal.archive.query import query_archive
from ictal.core.spreadsheets import for_spreadsheets
from ictal.errors import RunError, UnknownNameError
from ictal.scoring.pipeline import score
from ictal.scoring.scores import Scores
from tests.cli.test_cli import call
from tests.scoring.findings import findings_of
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
            recording = recording_of(calm if name == "calm.edf" else loud, name=name)
            scores = score(recording, Loudness(), mask=False)  # the seizure is in one electrode
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
    ("question", "table"),
    [
        ("true", "burden"),
        ("pattern = seizure and burden > 0.2", "burden"),
        ("pattern = seizure and duration_s > 60", "events"),
        ("pattern = seizure and frequency_hz > 2", "events"),
        ("seizure_probability > 0.5", "scores"),
        ("state = failed", "recordings"),
        ("state = failed and duration_s >= 0", "recordings"),
    ],
)
def test_the_first_table_that_has_all_columns_is_asked(archive, question, table):
    found = query_archive(archive, question)
    assert found.attrs["table"] == table
    pd.testing.assert_frame_equal(found, query_archive(archive, question, table))


def test_events_are_found_by_what_was_measured(archive, tmp_path, monkeypatch):
    shutil.copytree(archive, tmp_path / "two")
    monkeypatch.setattr(Scores, "findings", findings_of)
    loud = eeg(120)
    loud[0] *= 60
    entry = Entry("new.edf", ("/eeg/new.edf",), "f1")
    scores = score(recording_of(loud, name="new.edf"), Loudness(), mask=False)
    Partition(tmp_path / "two", "loudness-1").write(entry, scores)
    with claim_ledger(tmp_path / "two") as ledger:
        ledger.append(Row("new.edf", entry.address, "f1", "loudness-1", "done"))
    asked = "recording = 'new.edf' and pattern = seizure and "
    found = query_archive(tmp_path / "two", asked + "frequency_hz > 2 and side = 'left' and evolution = 'evolving'")
    assert len(found) >= 1
    row = found.iloc[0]
    assert (row["frequency_low_hz"], row["frequency_hz"], row["frequency_high_hz"]) == (1.5, 3.0, 4.0)
    assert (row["main_term"], row["regions"], row["amplitude_uv"]) == ("lateralized", "frontal,temporal", 240.0)
    assert query_archive(tmp_path / "two", asked + "frequency_hz > 3").empty


@pytest.mark.parametrize("old", [set(NAMES), {"loud.edf"}, {NAMES[1]}], ids=["all", "the last", "the first"])
def test_archives_of_an_older_version_are_read(archive, tmp_path, old):
    """Version 0.1 wrote events without what was measured; a later run adds files with it to the same partition."""
    shutil.copytree(archive, tmp_path / "old")
    for path in (tmp_path / "old" / "events").rglob("*.parquet"):
        table = pq.read_table(path)
        if set(table["recording"].to_pylist()) <= old:
            pq.write_table(table.select(table.column_names[:7]), path)
    expected, found = (query_archive(folder, "true", "events") for folder in (archive, tmp_path / "old"))
    assert list(found) == list(expected)
    columns = ["recording", "pattern", "start_s", "peak", "model"]
    pd.testing.assert_frame_equal(found[columns], expected[columns])
    measured = set(expected.dropna(subset="frequency_hz")["recording"])
    assert measured == {"loud.edf", NAMES[1]}
    assert set(query_archive(tmp_path / "old", "frequency_hz > 0")["recording"]) == measured - old


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
    with pytest.raises(RunError, match=r"is not a valid condition: .*columns are recording, "):
        query_archive(archive, question.format(secret=secret, folder=archive))
    assert sorted(archive.rglob("*")) == before


def test_settings_cannot_be_taken_back(archive, monkeypatch):
    """Whatever a question holds, the connection can neither read other folders nor be made to."""
    import duckdb

    from ictal.archive.query import _restrict

    with duckdb.connect(":memory:") as connection:
        _restrict(connection, archive)
        with pytest.raises(duckdb.Error, match=r"locked|Cannot"):
            connection.execute("set enable_external_access = true")
        with pytest.raises(duckdb.PermissionException):
            connection.execute("select * from read_text('/etc/hostname')")


def test_what_is_no_archive_or_no_table_is_said(archive, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown table 'votes'; known are: burden, events"):
        query_archive(archive, "true", "votes")
    with pytest.raises(RunError, match="is not an archive of scores"):
        query_archive(tmp_path, "true")
    with claim_ledger(tmp_path / "new"), pytest.raises(RunError, match="no recording is done yet"):
        query_archive(tmp_path / "new", "true")
    for question, table in (("frequency_hz > 2", None), ("usable > 0.5", "scores")):
        with pytest.raises(RunError, match="no recording is done yet"):
            query_archive(tmp_path / "new", question, table)


@pytest.mark.parametrize("place", ["sc[1]ored", "model=foo/scored", "year=2024/scored", "a*b?/it's", "per%20cent=1"])
def test_where_an_archive_lies_says_nothing_of_its_rows(archive, tmp_path, place):
    shutil.copytree(archive, tmp_path / place)
    for table in ("burden", "events", "scores", "recordings"):
        expected, found = (query_archive(folder, "true", table) for folder in (archive, tmp_path / place))
        assert len(expected) > 0
        pd.testing.assert_frame_equal(found, expected)


def test_neighbours_that_a_pattern_would_match_are_not_read(archive, tmp_path):
    shutil.copytree(archive, tmp_path / "sc1ored")
    shutil.copytree(archive, tmp_path / "sc[1]ored")
    for path in (tmp_path / "sc1ored" / "burden").rglob("*.parquet"):
        path.write_bytes(b"not Parquet")
    assert len(query_archive(tmp_path / "sc[1]ored", "true")) == len(query_archive(archive, "true"))


def test_partitions_of_other_columns_are_one_table(archive, tmp_path):
    shutil.copytree(archive, tmp_path / "two")
    first = tmp_path / "two" / "scores" / "model=loudness-1"
    second = first.with_name("model=it's=another-1")
    second.mkdir()
    table = pq.read_table(sorted(first.iterdir())[0])
    pq.write_table(table.append_column("concentration", pa.array([2.0] * len(table))), second / "a.parquet")
    with claim_ledger(tmp_path / "two") as ledger:
        ledger.append(Row(table["recording"][0].as_py(), "a", "f1", "it's=another-1", "done"))
    found = query_archive(tmp_path / "two", "true", "scores").groupby("model")["concentration"].count()
    assert found.to_dict() == {"it's=another-1": len(table), "loudness-1": 0}


def test_texts_that_a_spreadsheet_would_run_are_escaped_and_numbers_stay(tmp_path):
    wild = ["=1+1", "+a", "-b.edf", "@c", "\tx", "\ry", "plain=1", "", "'quoted"]
    table = pd.DataFrame({"recording": wild, "burden": [-0.5] * len(wild)})
    table.to_csv(tmp_path / "raw.csv", index=False)
    shown = for_spreadsheets(table)
    assert shown["recording"].tolist() == ["'=1+1", "'+a", "'-b.edf", "'@c", "'\tx", "'\ry", "plain=1", "", "'quoted"]
    assert shown["burden"].dtype == float
    assert shown["burden"].tolist() == [-0.5] * len(wild)


def test_a_query_as_csv_is_fit_for_a_spreadsheet(archive, tmp_path):
    with claim_ledger(shutil.copytree(archive, tmp_path / "a")) as ledger:
        ledger.append(Row("=cmd|' /C calc'!A1.edf", "/eeg/=cmd", "f1", "loudness-1", "failed", "-1 s is no time"))
        ledger.append(Row("a[1].e", "/eeg/a[1].e", "f2", "loudness-1", "failed", "pip install 'ictal[vendor]'"))
    arguments = ("archive", "query", tmp_path / "a", "state = failed", "--table", "recordings")
    result = call(*arguments, "--csv", tmp_path / "out.csv")
    assert result.exit_code == 0
    assert " a[1].e" in result.stdout
    assert "'ictal[vendor]'" in " ".join(result.stdout.split())
    rows = pd.read_csv(tmp_path / "out.csv")
    assert "'=cmd|' /C calc'!A1.edf" in rows["recording"].tolist()
    assert "'-1 s is no time" in rows["reason"].tolist()
    assert rows["eeg_h"].dtype == float
