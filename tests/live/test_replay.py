import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import pytest

import ictal
from ictal.core.montage import CHANNELS
from ictal.core.recording import Annotation, Gap, Recording
from ictal.errors import MissingExtraError, ReadError, RunError, UsageError, WriteError
from ictal.io.edf.header import EdfFile
from ictal.io.edf.writer import amplifier_plan, write_edf
from ictal.live import schedule
from ictal.live.file_player import FilePlayer
from ictal.live.schedule import play
from ictal.simulator import simulate_recording
from tests.helpers import noise, recording
from tests.live.helpers import records_of, waiting

FAST = 5000.0
NOTES = (
    Annotation(0.0, 0.0, "begin"),
    Annotation(3.25, 30.5, "Seizure or LPD"),
    Annotation(60.0, 5.0, "possible GRDA"),
    Annotation(75.0, 2.0, "after the end"),
)


def night(seconds: int = 70, **changes: object) -> Recording:
    """Return EEG with a gap of 100 s after 30 s, and annotations."""
    made = recording(seconds * 200, name="night.x")
    return replace(made, gaps=(Gap(30.0, 100.0),), annotations=NOTES, **changes)


def same(made: Recording, expected: Recording, tolerance_uv: float = 0.0) -> None:
    np.testing.assert_allclose(made.read(), expected.read(), rtol=0, atol=tolerance_uv)
    assert (made.gaps, made.rate_hz, made.annotations) == (expected.gaps, expected.rate_hz, expected.annotations)


@dataclass
class Clock:
    """A clock that only sleeping, and what is done, moves on."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Ticks:
    """A player that does something each second, and takes some time for it."""

    clock: Clock
    seconds: float
    takes_s: float = 0.0
    at: list[float] = field(default_factory=list)
    closed: bool = False

    def steps(self):
        for number in range(1, 1 + int(self.seconds)):
            yield float(number), self.tick

    def tick(self) -> None:
        self.at.append(self.clock.now)
        self.clock.now += self.takes_s

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(schedule, "time", made)
    return made


def test_steps_are_done_at_their_times_and_none_drifts(clock):
    one, other = Ticks(clock, 100, 0.01), Ticks(clock, 50, 0.02)
    late_s = play([one, other], 2.0, 100.0)
    assert one.at == pytest.approx([1000 + number / 2 for number in range(1, 101)])
    assert other.at == pytest.approx([1000.01 + number / 2 for number in range(1, 51)])
    assert late_s == pytest.approx(0.01)
    assert (one.closed, other.closed) == (True, True)


def test_what_is_late_is_done_at_once_and_the_rest_is_in_time(clock):
    slow = Ticks(clock, 10)
    usual = slow.tick

    def stalls():
        usual()
        if len(slow.at) == 3:
            clock.now += 2.5

    slow.tick = stalls
    assert play([slow], 1.0, 10.0) == pytest.approx(1.5)
    assert slow.at == pytest.approx([1001, 1002, 1003, 1005.5, 1005.5, *range(1006, 1011)])


def test_players_are_closed_after_an_error(clock):
    one, other = Ticks(clock, 5), Ticks(clock, 5)

    def broken():
        raise KeyboardInterrupt

    other.tick = broken
    with pytest.raises(KeyboardInterrupt):
        play([one, other], 1.0, 5.0)
    assert (one.at, one.closed, other.closed) == ([1001.0], True, True)


def test_a_replayed_recording_is_the_same_and_starts_now(tmp_path):
    source = replace(night(), start=datetime(2001, 2, 3))
    before = datetime.now() - timedelta(seconds=4)
    played = ictal.replay(source, tmp_path / "ward", speed=FAST)
    assert played.files == (tmp_path / "ward" / "night.bdf",)
    made = ictal.read(played.files[0])
    same(made, source, 1e-3)
    assert before < made.start.replace(tzinfo=None) < datetime.now()
    assert (played.duration_s, EdfFile.open(played.files[0]).plus) == (170.0, "BDF+D")
    with pytest.raises(RunError, match=r"night\.bdf: exists; name another folder"):
        ictal.replay(source, tmp_path / "ward", speed=FAST)


def test_an_edf_file_is_replayed_with_its_own_steps(tmp_path):
    write_edf(tmp_path / "night.edf", simulate_recording(1, 0, 0.02))
    told = []
    played = ictal.replay(
        tmp_path / "night.edf", tmp_path / "ward", speed=FAST, progress=lambda *all: told.append(all)
    )
    same(ictal.read(played.files[0]), ictal.read(tmp_path / "night.edf"))
    assert told[-1] == ("playing", 72.0, 72.0)


def test_pieces_are_joined_into_the_recording(tmp_path):
    write_edf(tmp_path / "night.edf", night())
    played = ictal.replay(tmp_path / "night.edf", tmp_path / "ward", speed=FAST, pieces_min=0.25)
    assert [file.name for file in played.files] == [f"night-000{number}.edf" for number in range(1, 6)]
    pieces = [ictal.read(file) for file in played.files]
    # A gap moves the begin of the next file, as no samples are there to begin it earlier.
    assert [piece.span_s for piece in pieces] == [15, 15, 15, 15, 10]
    starts = [(piece.start - pieces[0].start).total_seconds() for piece in pieces]
    assert starts == [0, 15, 130, 145, 160]
    same(ictal.join(played.files), night(), 0.06)
    with pytest.raises(RunError, match=r"night-0001\.edf: exists"):
        ictal.replay(tmp_path / "night.edf", tmp_path / "ward", speed=FAST, pieces_min=100)


def test_an_annotation_is_not_written_before_it_is_over(tmp_path):
    player = FilePlayer(night(), amplifier_plan(night()), tmp_path / "a.edf")
    seen = {}
    for due_s, do in player.steps():
        do()
        for note in ictal.read(tmp_path / "a.edf").annotations:
            seen.setdefault(note.text, due_s)
    player.close()
    assert seen == {"begin": 1.0, "Seizure or LPD": 131.0, "possible GRDA": 131.0, "after the end": 131.0}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, UsageError, "give either a folder for files"),
        ({"out": "a", "lsl": "b"}, UsageError, "give either a folder for files"),
        ({"out": "a", "speed": 0}, UsageError, "speed is 0; allowed is more than 0"),
        ({"out": "a", "speed": float("nan")}, UsageError, "speed is nan"),
        ({"out": "a", "speed": 1e9}, UsageError, "at most 10000"),
        ({"out": "a", "pieces_min": 0}, UsageError, "pieces of 0 minutes"),
        ({"lsl": "a", "pieces_min": 3}, UsageError, "pieces are files"),
    ],
)
def test_what_cannot_be_replayed_is_refused(options, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        ictal.replay(night(), **options)
    assert not list(tmp_path.iterdir())


def test_missing_recordings_and_empty_ones_are_refused(tmp_path):
    with pytest.raises(ReadError, match="there is no such file"):
        ictal.replay(tmp_path / "none.edf", tmp_path)
    with pytest.raises(WriteError, match="has no samples"):
        ictal.replay(Recording.from_array(noise(0), CHANNELS, 200), tmp_path)


def test_a_stream_needs_an_extra(monkeypatch):
    monkeypatch.setattr("ictal.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"playing into a stream needs pylsl; .* 'ictal\[lsl\]'"):
        ictal.replay(night(), lsl="bed-7")


# Simulated beds


def test_beds_have_the_samples_and_episodes_of_their_patients(tmp_path):
    files = ictal.simulate_live(tmp_path / "ward", beds=2, hours=0.02, seed=1, speed=FAST)
    assert [file.name for file in files] == ["bed-1.edf", "bed-2.edf"]
    for number, file in enumerate(files, start=1):
        write_edf(tmp_path / "night.edf", ictal.simulate(hours=0.02, seed=1, patient=number))
        same(ictal.read(file), ictal.read(tmp_path / "night.edf"))
        assert EdfFile.open(file).plus == "EDF+C"
    with pytest.raises(RunError, match=r"bed-1\.edf: exists"):
        ictal.simulate_live(tmp_path / "ward", hours=0.02)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"beds": 0}, UsageError, "beds is 0; allowed are 1 to 256"),
        ({"hours": 0}, ictal.errors.SimulationError, "hours is 0"),
        ({"speed": -1}, UsageError, "speed is -1"),
    ],
)
def test_impossible_beds_are_refused(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        ictal.simulate_live(tmp_path, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_ctrl_c_finishes_the_files_and_a_kill_leaves_whole_records(how, code, tmp_path):
    words = ["simulate", "--live", "--beds", "2", "--hours", "1", "--seed", "1", "--speed", "20", "--out", "ward"]
    beds = [tmp_path / "ward" / f"bed-{number}.edf" for number in (1, 2)]
    with subprocess.Popen(
        [sys.executable, "-m", "ictal", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        waiting(lambda: process.poll() is not None or all(records_of(bed) >= 5 for bed in beds), "records")
        process.send_signal(how)
        out, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert out == ""
    for number, bed in enumerate(beds, start=1):
        file, made = EdfFile.open(bed), ictal.read(bed)
        expected = simulate_recording(1, number, 1.0).read(0, made.n_samples)
        np.testing.assert_allclose(made.read(), expected, rtol=0, atol=0.051)
        if how == signal.SIGINT:
            assert "Stopped. All is complete up to here." in told
            assert (file.notes, file.plus) == ((), "EDF+C")
        else:
            assert "states -1 records" in file.notes[0]
