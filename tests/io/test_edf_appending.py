import resource
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.recording import Annotation, Gap
from ictal.errors import ReadError, WriteError
from ictal.io import open_recording
from ictal.io.edf.appending import EdfAppender, text_bytes
from ictal.io.edf.header import EdfFile
from ictal.io.edf.record_format import RecordFormat
from ictal.io.edf.records import endless_records
from ictal.io.edf.scales import Scale
from ictal.io.edf.writer import AMPLIFIER, write_edf
from ictal.simulator import simulate_recording
from tests.helpers import noise

START = datetime(2024, 2, 29, 23, 59, 58, 250_000)
WIDE = Scale("uV", ("-262144", "262144"), (-8388607, 8388607))
SMALL = RecordFormat(16, ("Fp1", "EKG"), (AMPLIFIER, AMPLIFIER), 4, "0.5", text_bytes(30, 16))
"""Records of four samples, at 8 Hz."""
FINE = RecordFormat(24, ("Fp1", "EKG"), (WIDE, WIDE), 200, "1", text_bytes(100, 24))
SAMPLES = np.round(noise(43, 3, 2), 1)


def grown(path: Path, form: RecordFormat = SMALL, start: datetime | None = START) -> bytes:
    """Return the bytes of a file that was written at once."""
    with EdfAppender(path, form, start) as file:
        file.append(SAMPLES)
    return path.read_bytes()


def test_a_file_that_grows_can_be_read_after_each_record_and_says_that_it_is_not_finished(tmp_path):
    path = tmp_path / "bed.edf"
    with EdfAppender(path, SMALL, START) as file:
        for stop in range(4, 44, 4):
            file.append(SAMPLES[:, stop - 4 : stop])
            assert EdfFile.open(path).plus == "EDF+D"
            assert path.read_bytes()[236:244] == b"-1      "
            read = open_recording(path)
            np.testing.assert_allclose(read.read(), SAMPLES[:, :stop], atol=1e-4)
            assert (read.gaps, read.start.replace(tzinfo=None)) == ((), START)
            assert any("states -1 records" in note for note in read.notes)
    finished = EdfFile.open(path)
    assert (finished.plus, finished.n_records, finished.notes) == ("EDF+C", 10, ())


@given(st.lists(st.integers(0, 43), max_size=8))
def test_any_split_into_pieces_gives_the_same_bytes(tmp_path_factory, cuts):
    folder = tmp_path_factory.mktemp("split")
    edges = [0, *sorted(cuts), 43]
    with EdfAppender(folder / "split.edf", SMALL, START) as file:
        for start, stop in pairwise(edges):
            file.append(SAMPLES[:, start:stop])
        assert file.end_s == pytest.approx(43 / 8)
    assert (folder / "split.edf").read_bytes() == grown(folder / "whole.edf")
    assert file.n_lost == 3


def test_a_program_that_is_killed_after_any_byte_leaves_a_file_that_is_read_and_resumed(tmp_path):
    whole = grown(tmp_path / "whole.edf")
    path = tmp_path / "cut.edf"
    growing = whole[:192] + SMALL.extent(with_gaps=True, n_records=-1) + whole[244:]
    for size in range(len(growing)):
        path.write_bytes(growing[:size])
        n_records = max(size - SMALL.header_bytes, 0) // SMALL.record_bytes
        if n_records:
            np.testing.assert_allclose(open_recording(path).read(), SAMPLES[:, : 4 * n_records], atol=1e-4)
        else:
            with pytest.raises(ReadError, match=r"is empty|truncated|starts with"):
                open_recording(path)
        if size < SMALL.header_bytes:
            with pytest.raises(WriteError, match="has other channels"):
                EdfAppender.resume(path, SMALL)
            continue
        with EdfAppender.resume(path, SMALL) as file:
            assert (file.n_records, file.end_s) == (n_records, n_records / 2)
            if not n_records:
                file.jump_to(0.25)  # a header without records states whole seconds
            file.append(SAMPLES[:, 4 * n_records :])
        assert path.read_bytes() == whole, size


@pytest.mark.parametrize(("form", "others"), [(SMALL, edfio.read_edf), (FINE, edfio.read_bdf)])
def test_others_read_what_was_appended(form, others, tmp_path):
    path = tmp_path / "a.edf"
    samples = noise(form.n_samples * 7, 0, 2)
    with EdfAppender(path, form, START) as file:
        file.annotate(Annotation(0.5, 1.25, "Müdigkeit"))
        file.append(samples)
    read = others(path)
    for signal, row, scale in zip(read.signals, samples, form.scales, strict=True):
        np.testing.assert_allclose(signal.data, row, atol=scale.step_uv / 2 + 400 * 2**-23)
    assert [(note.onset, note.duration, note.text) for note in read.annotations] == [(0.5, 1.25, "Müdigkeit")]
    # EDF+ 2.2.2: in the file, onsets are relative to the start in the header, which has whole seconds.
    assert EdfFile.open(path).annotations[0].onset_s == 0.75
    with pyedflib.EdfReader(str(path)) as strict:
        assert (strict.signals_in_file, strict.datarecords_in_file) == (2, 7)


def test_gaps_are_kept_and_what_does_not_fill_a_record_before_them_is_counted(tmp_path):
    path = tmp_path / "a.edf"
    with EdfAppender(path, SMALL, START) as file:
        file.append(SAMPLES[:, :10])
        file.jump_to(3.0)
        file.append(SAMPLES[:, 10:14])
        file.jump_to(3.5)  # no gap
        file.append(SAMPLES[:, 14:19])
        with pytest.raises(WriteError, match=r"samples at 4 s would overlap those up to 4\.125 s"):
            file.jump_to(4.0)
    read = open_recording(path)
    assert file.n_lost == 3
    assert EdfFile.open(path).plus == "EDF+D"
    assert read.gaps == (Gap(1.0, 2.0),)
    np.testing.assert_allclose(read.read(), SAMPLES[:, [*range(8), *range(10, 18)]], atol=1e-4)
    with EdfAppender.resume(path, SMALL) as again:
        assert (again.end_s, again.start) == (4.0, START)
        again.jump_to(86400.0)
        again.append(SAMPLES[:, :4])
    assert open_recording(path).gaps == (Gap(1.0, 2.0), Gap(4.0, 86396.0))


def test_annotations_wait_for_a_record_with_room_and_the_last_ones_go_to_the_last_record(tmp_path):
    path = tmp_path / "a.edf"
    notes = [Annotation(number / 10, 0.0, f"event {number}") for number in range(5)]
    with EdfAppender(path, SMALL, START) as file:
        for note in notes[:4]:
            file.annotate(note)
        file.append(SAMPLES)
        assert len(open_recording(path).annotations) == 4
        file.annotate(notes[4])
    assert [note.text for note in open_recording(path).annotations] == [note.text for note in notes]
    refused = pytest.raises(WriteError, match=r"annotation 'eeeee.*' needs 59 bytes; a record has 31")
    with EdfAppender(tmp_path / "b.edf", SMALL) as file, refused:
        file.annotate(Annotation(0, 0, "e" * 54))


def test_annotations_without_room_in_the_last_record_are_an_error_and_the_file_is_closed(tmp_path):
    file = EdfAppender(tmp_path / "a.edf", SMALL)
    file.append(SAMPLES)
    for number in range(5):
        file.annotate(Annotation(number, 0, "an event"))
    with pytest.raises(WriteError, match="no room for 2 late annotations"):
        file.close()
    file.close()
    assert EdfFile.open(tmp_path / "a.edf").n_records == 10
    assert len(open_recording(tmp_path / "a.edf").annotations) == 3


def test_it_is_what_is_written_at_once(tmp_path):
    night = simulate_recording(3, 1, 0.02)
    write_edf(tmp_path / "whole.edf", night)
    labels = tuple(signal.label for signal in EdfFile.open(tmp_path / "whole.edf").signals[:-1])
    form = RecordFormat(16, labels, (AMPLIFIER,) * len(labels), 200, "1", text_bytes(40, 16))
    with EdfAppender(tmp_path / "grown.edf", form, night.start) as file:
        for note in night.annotations:
            file.annotate(note)
        for start in range(0, night.n_samples, 77):
            file.append(night.read(start, min(start + 77, night.n_samples)))
    whole, made = (open_recording(tmp_path / f"{name}.edf") for name in ("whole", "grown"))
    assert (whole.read() == made.read()).all()
    assert (whole.annotations, whole.channels, whole.start, whole.rate_hz) == (
        *(made.annotations, made.channels, made.start, made.rate_hz),
    )


@pytest.mark.parametrize("lacking", [1, SMALL.record_bytes - 1, SMALL.record_bytes])
def test_a_full_disk_is_an_error_and_leaves_whole_records_to_which_others_are_appended_later(lacking, tmp_path):
    path = tmp_path / "a.edf"
    file = EdfAppender(path, SMALL, START)
    file.append(SAMPLES[:, :8])
    size = SMALL.header_bytes + 3 * SMALL.record_bytes
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - lacking, before[1]))
    try:
        with pytest.raises(WriteError, match=r"a\.edf: cannot be written"):
            file.append(SAMPLES[:, 8:12])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.stat().st_size == SMALL.header_bytes + 2 * SMALL.record_bytes
    file.append(SAMPLES[:, 12:16])
    file.close()
    read = open_recording(path)
    assert read.gaps == (Gap(1.0, 0.5),)
    np.testing.assert_allclose(read.read(), SAMPLES[:, [*range(8), *range(12, 16)]], atol=1e-4)


def test_ctrl_c_in_the_middle_of_a_record_leaves_a_file_with_the_right_number(tmp_path, monkeypatch):
    def interrupted(self, samples, texts):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), EdfAppender(tmp_path / "a.edf", SMALL, START) as file:  # noqa: PT012
        file.append(SAMPLES[:, :8])
        monkeypatch.setattr(RecordFormat, "encode", interrupted)
        file.append(SAMPLES[:, 8:])
    finished = EdfFile.open(tmp_path / "a.edf")
    assert (finished.n_records, finished.notes) == (2, ())


def test_a_file_that_is_renamed_goes_on_growing(tmp_path):
    whole = grown(tmp_path / "whole.edf")
    with EdfAppender(tmp_path / "a.edf", SMALL, START) as file:
        file.append(SAMPLES[:, :18])
        (tmp_path / "a.edf").rename(tmp_path / "b.edf")
        file.jump_to(file.end_s)  # in the middle of a record: nothing is lost
        file.append(SAMPLES[:, 18:])
    assert (tmp_path / "b.edf").read_bytes() == whole
    assert not (tmp_path / "a.edf").exists()


def test_what_cannot_be_appended_is_refused(tmp_path):
    path = tmp_path / "a.edf"
    whole = grown(path)
    with pytest.raises(WriteError, match=r"a\.edf: cannot be written: File exists"):
        EdfAppender(path, SMALL)
    for form in (FINE, RecordFormat(16, ("Fp2", "EKG"), SMALL.scales, 4, "0.5", SMALL.text_bytes)):
        with pytest.raises(WriteError, match="has other channels, scales or records"):
            EdfAppender.resume(path, form)
    with pytest.raises(WriteError, match="there is no such file"):
        EdfAppender.resume(tmp_path / "none.edf", SMALL)
    assert path.read_bytes() == whole
    with EdfAppender(tmp_path / "b.edf", SMALL) as file, pytest.raises(WriteError, match="a sample has no value"):
        file.append(np.array([[0.0], [np.nan]]))


def test_limits_are_those_of_the_amplifier_and_clipped_samples_are_counted(tmp_path):
    with EdfAppender(tmp_path / "a.edf", SMALL) as file:
        file.append(np.full((2, 8), 9999.0))
        assert file.start is None
    assert file.n_clipped == 16
    assert open_recording(tmp_path / "a.edf").read().max() == pytest.approx(3276.7)


@given(st.sampled_from([100.0, 128.0, 200.0, 250.0, 256.0, 500.0, 512.0, 1000.0, 2048.0, 199.8, 62.5, 1 / 3]))
def test_records_of_a_recording_without_an_end_state_its_rate(rate_hz):
    size, duration = endless_records(rate_hz, 40, "stream")
    assert size / float(duration) == pytest.approx(rate_hz, rel=1e-12)
    assert 0 < float(duration) <= 10


def test_a_rate_that_edf_cannot_state_is_refused():
    with pytest.raises(WriteError, match=r"stream: EDF cannot store 3\.14159"):
        endless_records(np.pi, 2, "stream")


def test_a_start_is_kept_to_the_microsecond(tmp_path):
    start = START + timedelta(microseconds=123_456)
    grown(tmp_path / "a.edf", start=start)
    assert open_recording(tmp_path / "a.edf").start.replace(tzinfo=None) == start
