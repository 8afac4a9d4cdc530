import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import ictal
from ictal.core.montage import CHANNELS
from ictal.core.recording import Annotation, ArraySource, Gap, Recording
from ictal.errors import ReadError
from ictal.io import growing
from ictal.io.edf.appending import EdfAppender, text_bytes
from ictal.io.edf.record_format import RecordFormat
from ictal.io.edf.writer import amplifier_plan, write_edf
from ictal.io.growing import GrowingFile, GrowingFolder

START = datetime(2026, 1, 1, 12)
N_RECORDS = slice(236, 244)


def recording(seconds: int, gaps: tuple[Gap, ...] = (), start: datetime = START) -> Recording:
    samples = np.random.default_rng(seconds).normal(0, 30, (len(CHANNELS), seconds * 200)).astype(np.float32)
    notes = tuple(Annotation(float(at), 1.0, f"note {at}") for at in range(0, seconds, 3))
    return Recording("made", CHANNELS, 200.0, samples.shape[1], ArraySource(samples), start, gaps, notes)


def bytes_of(folder: Path, made: Recording) -> bytes:
    write_edf(folder / "whole.edf", made)
    content = bytearray((folder / "whole.edf").read_bytes())
    content[N_RECORDS] = b"-1      "
    return bytes(content)


def record_size(content: bytes) -> int:
    n_header, seconds = int(content[184:192]), 9
    return (len(content) - n_header) // seconds


@pytest.fixture
def quickly(monkeypatch):
    """Recordings end, and files are complete, at once."""
    monkeypatch.setattr(growing, "ENDED_S", 0.0)
    monkeypatch.setattr(growing, "MORE_S", 0.0)
    monkeypatch.setattr(growing, "PAUSES", 0.0)
    monkeypatch.setattr(growing, "SETTLED_S", 0.0)


@pytest.mark.parametrize("gaps", [(), (Gap(5.0, 60.0), Gap(70.0, 3.5))], ids=["continuous", "gaps"])
def test_a_file_that_grows_is_at_any_time_what_reading_it_anew_gives(tmp_path, gaps):
    content, path = bytes_of(tmp_path, recording(20, gaps)), tmp_path / "bed.edf"
    source = GrowingFile(path)
    assert source.now() is None
    seen = 0
    for size in [0, 100, 256, *range(5000, len(content), 7919), len(content)]:
        path.write_bytes(content[:size])
        found = source.now()
        if size < 14_000:
            assert found is None
            continue
        fresh = ictal.read(path)
        assert (found.n_samples, found.gaps, found.annotations, found.start, found.notes) == (
            *(fresh.n_samples, fresh.gaps, fresh.annotations, fresh.start, fresh.notes),
        )
        assert np.array_equal(found.read(seen), fresh.read(seen))
        assert found is source.now()  # nothing new
        seen = found.n_samples
    assert seen == 20 * 200
    assert not source.ended


def test_a_file_has_ended_when_its_header_says_so(tmp_path, quickly):
    content, path = bytes_of(tmp_path, recording(5)), tmp_path / "bed.edf"
    path.write_bytes(content)
    source = GrowingFile(path)
    source.now()
    assert not source.ended
    path.write_bytes(content[:236] + b"5       " + content[244:])
    source.now()
    assert source.ended


def test_a_file_whose_header_is_complete_at_each_flush_ends_only_when_no_flush_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "ENDED_S", 0.0)
    content, path = bytes_of(tmp_path, recording(9)), tmp_path / "bed.edf"
    source = GrowingFile(path)
    for n_records in (3, 6, 9):
        n_bytes = len(content) - (9 - n_records) * record_size(content)
        path.write_bytes(content[:236] + b"%-8d" % n_records + content[244:n_bytes])
        assert source.now().n_samples == n_records * 200
        assert source.ended == (n_records == 3)
    monkeypatch.setattr(growing, "MORE_S", 0.0)
    assert source.ended


def test_a_touched_file_has_no_new_data(tmp_path):
    content, path = bytes_of(tmp_path, recording(5)), tmp_path / "bed.edf"
    path.write_bytes(content)
    source = GrowingFile(path)
    before = source.now()
    os.utime(path, ns=(1, 1))
    assert source.now() is before
    with path.open("r+b") as file:
        file.seek(N_RECORDS.start)
        file.write(b"-1      ")
    os.utime(path, ns=(2, 2))
    assert source.now() is before


def test_a_file_that_ictal_records_is_followed_to_its_end(tmp_path, quickly):
    made, path = recording(9), tmp_path / "bed.edf"
    plan = amplifier_plan(made)
    form = RecordFormat(16, plan.labels, plan.scales, 200, "1", text_bytes(0, 16))
    source = GrowingFile(path)
    with EdfAppender(path, form, START) as file:
        for second in range(9):
            file.append(made.read(200 * second, 200 * second + 200))
            assert source.now().n_samples == 200 * (second + 1)
            assert not source.ended
    assert source.now().n_samples == 9 * 200
    assert source.ended


def test_a_renamed_file_is_found_again(tmp_path):
    content, path = bytes_of(tmp_path, recording(9)), tmp_path / "bed.edf"
    path.write_bytes(content[:20_000])
    source = GrowingFile(path)
    first = source.now()
    other = path.rename(tmp_path / "renamed.edf")
    with other.open("ab") as file:
        file.write(content[20_000:])
    assert source.now().n_samples == 9 * 200 > first.n_samples
    assert source.name == str(other)


@pytest.mark.parametrize("what", ["removed", "shorter", "another file", "other header"])
def test_another_recording_in_place_of_the_file_is_an_error(tmp_path, what):
    content, path = bytes_of(tmp_path, recording(9)), tmp_path / "bed.edf"
    path.write_bytes(content)
    source = GrowingFile(path)
    source.now()
    match what:
        case "removed":
            path.unlink()
        case "shorter":
            path.write_bytes(content[:30_000])
        case "another file":
            (tmp_path / "new.edf").write_bytes(content + content[-8000:])
            (tmp_path / "new.edf").replace(path)
        case "other header":
            path.write_bytes(content[:168] + b"02.02.26" + content[176:] + content[-8000:])
    wrong = {
        "removed": "was removed",
        "shorter": "has become shorter",
        "another file": "is another file than before",
        "other header": "is another recording than before",
    }
    with pytest.raises(ReadError, match=rf"bed\.edf: {wrong[what]}"):
        source.now()


def test_a_clock_that_goes_back_later_is_a_note_and_not_an_error(tmp_path):
    content, path = bytearray(bytes_of(tmp_path, recording(20, (Gap(5.0, 60.0),)))), tmp_path / "bed.edf"
    path.write_bytes(content[:20_000])
    source = GrowingFile(path)
    source.now()
    for second in range(65, 80):
        at = content.find(f"+{second}\x14\x14".encode())
        content[at + 1 : at + 3] = f"{second - 63:02d}".encode()
    path.write_bytes(content)
    for found in (source.now(), GrowingFile(path).now()):  # also if the watcher is started again
        assert "its clock goes back" in found.notes[0]
        assert found.n_samples == 20 * 200


def test_files_dropped_into_a_folder_are_one_recording(tmp_path, quickly):
    folder = tmp_path / "bed"
    folder.mkdir()
    source = GrowingFolder(folder)
    assert source.now() is None
    assert not source.ended
    pieces = [recording(n, start=START + timedelta(seconds=after)) for n, after in ((9, 0), (7, 9), (8, 30))]
    for number, piece in enumerate(pieces):
        content, path = bytes_of(tmp_path, piece), folder / f"part_{number}.edf"
        for size in (15_000, 40_000, len(content)):
            path.write_bytes(content[:size])
            found = source.now()
        assert found is source.now()
        path.write_bytes(content[:236] + b"%-8d" % (piece.n_samples // 200) + content[244:])
        (folder / "readme.txt").write_text("no recording")
        found = source.now()
    assert found.n_samples == 24 * 200
    assert [(gap.start_s, gap.duration_s) for gap in found.gaps] == [(16.0, 14.0)]
    assert found.name == str(folder)
    expected = np.concatenate([piece.read() for piece in pieces], axis=1)
    assert abs(found.read() - expected).max() <= 0.051
    assert source.ended


def test_a_folder_ends_only_when_no_further_piece_is_to_be_expected(tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "ENDED_S", 0.0)
    folder, now = tmp_path / "bed", time.time()
    folder.mkdir()
    for number, ago_s in enumerate((9500, 5900, 2300)):
        path = folder / f"part_{number}.edf"
        write_edf(path, recording(9, start=START + timedelta(hours=number)))
        os.utime(path, (now - ago_s, now - ago_s))
    source = GrowingFolder(folder)
    source.now()
    assert not source.ended  # a piece an hour: the next may come
    monkeypatch.setattr(growing, "PAUSES", 0.5)
    assert source.ended
    monkeypatch.setattr(growing, "MORE_S", 3600.0)
    assert not source.ended


def test_files_of_other_formats_are_read_when_they_no_longer_change(tmp_path, monkeypatch):
    pytest.importorskip("mne")
    import mne

    folder = tmp_path / "bed"
    folder.mkdir()
    raw = mne.io.RawArray(1e-6 * recording(9).read(), mne.create_info(list(CHANNELS), 200.0, "eeg"), verbose="error")
    raw.save(tmp_path / "whole_raw.fif", verbose="error")
    content = (tmp_path / "whole_raw.fif").read_bytes()
    source, path = GrowingFolder(folder), folder / "one_raw.fif"
    path.write_bytes(content[: len(content) // 2])
    assert source.now() is None
    path.write_bytes(content)
    assert source.now() is None
    monkeypatch.setattr(growing, "SETTLED_S", 0.0)
    assert source.now().n_samples == 9 * 200
