import errno
import os

import pandas as pd
import pytest

from ictal.archive.ledger import LEDGER, Row, claim_ledger, read_ledger, write_table
from ictal.errors import RunError, TableError, WriteError


def row(recording: str, state: str = "done", **more: object) -> Row:
    return Row(recording, f"/eeg/{recording}", "f1", "model-1", state, **more)


def test_the_last_row_of_a_recording_counts_for_each_model(tmp_path):
    other = Row("a", "/eeg/a", "f1", "model-2", "done")
    with claim_ledger(tmp_path) as ledger:
        for one in (row("a", "failed", reason="ü"), row("b"), other, row("a")):
            ledger.append(one)
    rows = read_ledger(tmp_path)
    assert rows == {("a", "model-1"): row("a"), ("b", "model-1"): row("b"), ("a", "model-2"): other}
    write_table(rows.values(), tmp_path)
    assert len(pd.read_parquet(tmp_path / "ledger.parquet")) == 3


@pytest.mark.parametrize("lost", [1, 20, 150])
def test_what_is_left_of_a_torn_line_does_not_count_and_is_cut_off(tmp_path, lost):
    with claim_ledger(tmp_path) as ledger:
        ledger.append(row("a"))
        ledger.append(row("b", "failed", reason="zu kurz – übel"))
    path = tmp_path / LEDGER
    path.write_bytes(path.read_bytes()[:-lost])
    assert set(read_ledger(tmp_path)) == {("a", "model-1")}
    with claim_ledger(tmp_path) as ledger:
        assert ledger.file.torn.startswith(b'{"recording": "b"')
        ledger.append(row("c"))
    assert {name for name, _ in read_ledger(tmp_path)} == {"a", "c"}


def test_a_damaged_line_within_is_an_error_that_names_it(tmp_path):
    with claim_ledger(tmp_path) as ledger:
        ledger.append(row("a"))
    path = tmp_path / LEDGER
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(TableError, match=r"ledger.jsonl: line 1 is damaged"):
        read_ledger(tmp_path)


def test_one_process_writes_at_a_time(tmp_path):
    with (
        claim_ledger(tmp_path),
        pytest.raises(RunError, match="another process is using this archive"),
        claim_ledger(tmp_path),
    ):
        pass


def test_a_row_is_on_the_disk_or_an_error_and_never_a_half(tmp_path, monkeypatch):
    with claim_ledger(tmp_path) as ledger:
        ledger.append(row("a"))

        def fail(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(WriteError, match=r"ledger.jsonl: cannot be written: No space left on device"):
            ledger.append(row("b"))
        assert set(ledger.rows) == {("a", "model-1")}
        monkeypatch.undo()
        ledger.append(row("c"))
    assert set(read_ledger(tmp_path)) == {("a", "model-1"), ("c", "model-1")}


def test_a_folder_without_a_ledger_is_no_archive(tmp_path):
    with pytest.raises(RunError, match="is not an archive of scores"):
        read_ledger(tmp_path)
