"""Real streams of the Lab Streaming Layer on this machine."""

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import ictal
from ictal.errors import IctalError, ReadError, UsageError, WriteError
from ictal.io.edf.header import EdfFile
from tests.helpers import recording
from tests.live.helpers import records_of, waiting

pylsl = pytest.importorskip("pylsl", reason="LSL needs the extra lsl")

from ictal.live.lsl import MOST_CHANNELS, LslStream, find_stream, lsl_streams  # noqa: E402
from ictal.live.lsl_recorder import LslRecorder  # noqa: E402
from ictal.live.lsl_source import LslSource  # noqa: E402

ROOT = Path(__file__).parents[2]


@pytest.fixture
def name() -> str:
    return f"bed {uuid.uuid4().hex[:8]}"


def outlet(name, labels=("Fp1", "EKG"), units="microvolts", rate_hz=100, kind="EEG", form="float32", **more):
    """Return a stream that sends nothing by itself."""
    info = pylsl.StreamInfo(name, kind, len(labels), rate_hz, form, more.get("source_id", f"source of {name}"))
    if any(labels):
        info.set_channel_labels(list(labels))
        info.set_channel_units(units)
    return pylsl.StreamOutlet(info)


@contextmanager
def sending(name: str, source_id: str, first: int = 0) -> Iterator[subprocess.Popen]:
    """Send a stream from another process, which is killed at the end."""
    command = [sys.executable, "-m", "tests.live.sender", name, source_id, str(first)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def recorded(recorder: LslRecorder) -> Iterator[list[BaseException]]:
    """Record in a thread until the block ends; yield the errors of the thread."""
    stop, errors = threading.Event(), []

    def run() -> None:
        try:
            recorder.run(stop)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield errors
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def found(name: str) -> LslStream:
    return waiting(lambda: next(iter(lsl_streams(1.0, name)), None), "stream")


def test_streams_of_type_eeg_are_listed_with_channels_units_and_rates(name):
    sent, markers = outlet(name), outlet(f"{name} markers", kind="Markers")
    stream = found(name)
    assert (stream.labels, stream.units, stream.rate_hz) == (("Fp1", "EKG"), ("microvolts",) * 2, 100)
    assert stream.source_id == f"source of {name}"
    assert find_stream(name) == stream
    assert not any(one.name.endswith("markers") for one in lsl_streams(1.0))
    with pytest.raises(UsageError, match=f"no LSL stream of type EEG is named 'none'; there are: .*'{name}'"):
        find_stream("none", 1.0)
    again = outlet(name, source_id="another")
    waiting(lambda: len(lsl_streams(1.0, name)) == 2, "second stream")
    with pytest.raises(UsageError, match=f"several LSL streams of type EEG are named '{name}'"):
        find_stream(name)
    del sent, markers, again


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("", "")}, "does not name its channels"),
        ({"units": "degrees"}, "voltages of Fp1 are unknown: their unit is 'degrees'"),
        ({"rate_hz": 0}, "has 2 channels at 0 Hz; allowed is a constant rate"),
        ({"rate_hz": 20_000}, "has 2 channels at 20000 Hz; allowed is a constant rate of up to 16384 Hz"),
        ({"labels": ("",) * (MOST_CHANNELS + 1)}, "has 513 channels at 100 Hz; allowed are up to 512"),
        ({"labels": tuple(f"E{n}" for n in range(300)), "rate_hz": 10_000}, "allowed are 2000000 values per second"),
        ({"form": "string"}, "has samples of another type than float32"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused_before_there_is_a_file(changes, message, name, tmp_path):
    sent = outlet(name, **changes)
    stream = found(name)
    with pytest.raises(ReadError, match=message):
        LslRecorder(stream, tmp_path)
    assert not list(tmp_path.iterdir())
    del sent


@pytest.mark.parametrize(
    "evil",
    ["../../etc/passwd", "/absolute", "C:\\win", "..", "a\nb", "x" * 500, "", "con", "'quo\"te", "Zürich \u202e"],
)
def test_a_name_of_a_stream_is_never_a_path(evil):
    stream = LslStream(evil, "host", "id", 1, ("Fp1",), ("uV",), 100.0, None)
    path = Path("folder") / f"{stream.file_stem}.bdf"
    assert path.parent == Path("folder")
    assert len(path.name) <= 60
    assert path.name.isascii()
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
    assert stream.file_stem != LslStream(evil, "host", "other", 1, ("Fp1",), ("uV",), 100.0, None).file_stem


def test_names_that_are_no_words_are_found_and_shown_in_one_line(name):
    evil = f"{name} ' or name=\" ../\n\x1b[31m"
    sent = outlet(evil)
    stream = found(f"{name} ' or name=\" ../ ?[31m")
    assert "\n" not in stream.name
    del sent


def test_a_stream_becomes_a_file_that_grows_with_its_voltages_and_the_time_of_the_clock(name, tmp_path):
    before = datetime.now()
    with sending(name, "amplifier"):
        recorder = LslRecorder(found(name), tmp_path)
        with recorded(recorder) as errors:
            waiting(lambda: records_of(recorder.path) >= 3, "records")
            assert EdfFile.open(recorder.path).plus == "BDF+D"
    assert not errors
    made = ictal.read(recorder.path)
    assert EdfFile.open(recorder.path).notes == ()
    assert (made.channels, made.rate_hz, made.gaps) == (("Fp1", "EKG"), 100, ())
    rows = made.read()
    numbers = np.round(rows[0] / 500)
    np.testing.assert_allclose(rows, [500 * numbers, -500 * numbers], atol=0.05)
    assert (np.diff(numbers) % 400 == 1).all()
    assert before < made.start.replace(tzinfo=None) < datetime.now()
    assert (recorder.n_missing, recorder.n_clipped, recorder.notes) == (0, 0, ())


def test_a_sender_that_is_killed_and_started_again_leaves_a_gap_in_one_file(name, tmp_path):
    with ExitStack() as first:
        process = first.enter_context(sending(name, "amplifier"))
        recorder = LslRecorder(found(name), tmp_path)
        with recorded(recorder) as errors:
            waiting(lambda: records_of(recorder.path) >= 2, "records")
            process.kill()
            process.wait()
            known = records_of(recorder.path)
            with sending(name, "amplifier", 200):
                waiting(lambda: records_of(recorder.path) >= known + 2, "records after the gap")
    assert not errors
    made = ictal.read(recorder.path)
    (gap,) = made.gaps
    assert 1 < gap.duration_s < 60
    after = made.runs[1]
    assert round(made.read(after.start, after.start + 1)[0, 0] / 500) == 200


def test_a_recorder_that_is_started_again_goes_on_with_its_file(name, tmp_path):
    with sending(name, "amplifier"):
        stream = found(name)
        for least in (2, 4):
            recorder = LslRecorder(stream, tmp_path)
            with recorded(recorder) as errors:
                waiting(lambda path=recorder.path, least=least: records_of(path) >= least, "records")
            assert not errors
    made = ictal.read(recorder.path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{stream.file_stem}.bdf"]
    assert EdfFile.open(recorder.path).notes == ()
    lost = np.diff(np.round(made.read()[0] / 500)) % 400 - 1
    # What was not recorded in between is as long as the gap, as well as two readings of the clock agree.
    assert np.count_nonzero(lost) == 1
    assert lost.max() / 100 == pytest.approx(made.span_s - made.duration_s, abs=0.5)


def test_a_stream_that_is_silent_is_opened_again(name, tmp_path, monkeypatch):
    monkeypatch.setattr("ictal.live.lsl_recorder.STALL_S", 0.3)
    sent = outlet(name)
    recorder = LslRecorder(found(name), tmp_path)
    opened, inlet = [], pylsl.StreamInlet

    def counted(*given, **more):
        opened.append(given)
        return inlet(*given, **more)

    monkeypatch.setattr(pylsl, "StreamInlet", counted)
    with recorded(recorder) as errors:
        waiting(lambda: len(opened) > 3, "new connections")
        monkeypatch.setattr("ictal.live.lsl_recorder.STALL_S", 60.0)
        waiting(lambda: sent.push_chunk(np.ones((50, 2), np.float32)) or records_of(recorder.path) >= 1, "records")
    assert not errors
    np.testing.assert_allclose(ictal.read(recorder.path).read(), 1, atol=1e-4)


def test_a_stream_that_comes_back_with_other_channels_ends_the_recording(name, tmp_path):
    sent = outlet(name)
    recorder = LslRecorder(found(name), tmp_path)
    with recorded(recorder) as errors:
        assert sent.wait_for_consumers(30)
        sent.push_chunk(np.zeros((250, 2), np.float32))
        waiting(lambda: records_of(recorder.path) >= 2, "records")
        del sent
        other = outlet(name, labels=("Fp1", "Fp2"))
        waiting(lambda: errors, "error")
    assert isinstance(errors[0], ReadError)
    assert "came back with other channels" in str(errors[0])
    assert EdfFile.open(recorder.path).n_records == 2
    del other


def test_time_stamps_that_jump_are_gaps_and_missing_samples_repeat_the_last_value(name, tmp_path):
    sent = outlet(name)
    recorder = LslRecorder(found(name), tmp_path)
    now = pylsl.local_clock()
    with recorded(recorder) as errors:
        assert sent.wait_for_consumers(30)
        samples = np.arange(600, dtype=np.float32).reshape(300, 2)
        samples[5, 0] = np.nan
        sent.push_chunk(samples[:150], now)
        sent.push_chunk(samples[150:], now + 10 + 1.5)  # time stamps of the last sample
        waiting(lambda: records_of(recorder.path) >= 2, "records")
    assert not errors
    made = ictal.read(recorder.path)
    (gap,) = made.gaps
    # Half a record before the gap is lost, so that the gap is longer by as much.
    assert (gap.start_s, round(gap.duration_s, 2)) == (1.0, 10.5)
    assert made.read(4, 7, [0])[0].tolist() == pytest.approx([8, 8, 12], abs=0.02)
    assert (recorder.n_missing, recorder.n_lost) == (1, 100)


def test_clocks_that_go_back_do_not_stop_the_recording(name, tmp_path):
    sent = outlet(name)
    recorder = LslRecorder(found(name), tmp_path)
    now = pylsl.local_clock()
    with recorded(recorder) as errors:
        assert sent.wait_for_consumers(30)
        for at in (now, now - 5000, now + 1e9):
            sent.push_chunk(np.zeros((100, 2), np.float32), at)
        waiting(lambda: records_of(recorder.path) >= 3, "records")
    assert not errors
    made = ictal.read(recorder.path)
    assert made.duration_s == 3
    assert made.span_s < 63


def test_a_full_disk_ends_the_recording_with_an_error(name, tmp_path, monkeypatch):
    sent = outlet(name)
    recorder = LslRecorder(found(name), tmp_path)

    def full(file, block):
        raise OSError(28, "No space left on device")

    with recorded(recorder) as errors:
        assert sent.wait_for_consumers(30)
        sent.push_chunk(np.zeros((150, 2), np.float32))
        waiting(lambda: records_of(recorder.path) == 1, "record")
        monkeypatch.setattr("ictal.io.edf.appending._write", full)
        sent.push_chunk(np.zeros((100, 2), np.float32))
        waiting(lambda: errors, "error")
    assert "No space left on device" in str(errors[0])
    assert records_of(recorder.path) == 1


def test_a_recording_is_replayed_into_a_stream_and_recorded_as_it_was(name, tmp_path):
    source = recording(6 * 200, name="night.edf")
    errors = []

    def replayed() -> None:
        try:
            ictal.replay(source, lsl=name, speed=2)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=replayed)
    thread.start()
    recorder = LslRecorder(found(name), tmp_path)
    with recorded(recorder) as failed:
        waiting(lambda: records_of(recorder.path) >= 2, "records")
    thread.join(60)
    assert not errors
    assert not failed
    made = ictal.read(recorder.path).read()
    windows = np.lib.stride_tricks.sliding_window_view(source.read()[0], 5)
    at = int(np.abs(windows - made[0, :5]).max(axis=1).argmin())  # where it joined the stream
    np.testing.assert_allclose(made, source.read(at, at + made.shape[1]), atol=0.02)


def test_a_bed_watches_a_stream_and_says_so_when_the_file_cannot_be_written(name, tmp_path, monkeypatch):
    with sending(name, "amplifier"), ExitStack() as stack:
        source = stack.enter_context(closing(LslSource(found(name).name, tmp_path)))
        recording = waiting(source.now, "recording")
        assert recording.channels == ("Fp1", "EKG")
        waiting(lambda: source.now().n_samples > recording.n_samples, "growth")
        assert not source.ended
        (path,) = tmp_path.glob("*.bdf")

    def refuse(*_: object) -> None:
        raise WriteError(f"{path}: cannot be written: No space left on device")

    with sending(name, "amplifier"), closing(LslSource(name, tmp_path)) as source:
        before = waiting(source.now, "what was recorded before").n_samples
        with monkeypatch.context() as patched:
            patched.setattr(LslRecorder, "_append", refuse)
            assert waiting(lambda: error_of(source), "error") == f"{path}: cannot be written: No space left on device"
        waiting(lambda: not error_of(source) and source.now().n_samples > before, "growth afterwards")


def error_of(source: LslSource) -> str:
    try:
        source.now()
    except IctalError as error:
        return str(error)
    return ""
