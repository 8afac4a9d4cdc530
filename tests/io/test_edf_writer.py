import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest
from typer.testing import CliRunner

from ictal.cli import app
from ictal.core.montage import CHANNELS, find_electrode
from ictal.core.recording import Annotation, Recording
from ictal.errors import IctalError, WriteError
from ictal.io import open_recording
from ictal.io.edf.writer import AMPLIFIER, write_edf
from ictal.simulator.timeline import simulate_recording
from tests.helpers import recording

STEP_UV = AMPLIFIER.step_uv
TOLERANCE_UV = STEP_UV / 2 + 400 * 2**-23
"""Rounding to a step errs by half of it; float32 on both sides adds 2^-24 of at most 400 µV each."""
TOLERANCE_S = 1e-7
"""EDF+ annotations are written to the microsecond."""

NOTES = (
    Annotation(0.0, 0.0, "begin"),
    Annotation(1.2345, 60.005, "Seizure or LPD"),
    Annotation(64.335, 5.1, "possible GRDA"),
    Annotation(64.335, 1.0, "Müdigkeit"),
    Annotation(70.0, 2.0, "n" * 40),
)
N_SECONDS = 73
"""More than one piece, and not a whole number of pieces."""

Notes = list[tuple[float, float, str]]


def with_mne(path: Path) -> tuple[np.ndarray, list[str], Notes]:
    made = open_recording(path)
    return made.read(), list(made.channels), [(a.onset_s, a.duration_s, a.text) for a in made.annotations]


def with_pyedflib(path: Path) -> tuple[np.ndarray, list[str], Notes]:
    with pyedflib.EdfReader(str(path)) as file:
        rows = [file.readSignal(index) for index in range(file.signals_in_file)]
        onsets, durations, texts = file.readAnnotations()
        labels = file.getSignalLabels()
    return np.stack(rows), labels, list(zip(onsets, durations, texts, strict=True))


def with_edfio(path: Path) -> tuple[np.ndarray, list[str], Notes]:
    file = edfio.read_edf(path)
    rows = np.stack([row.data for row in file.signals])
    return rows, list(file.labels), [(a.onset, a.duration or 0.0, a.text) for a in file.annotations]


READERS: dict[str, Callable[[Path], tuple[np.ndarray, list[str], Notes]]] = {
    "mne": with_mne,
    "pyedflib": with_pyedflib,
    "edfio": with_edfio,
}


@dataclass(frozen=True)
class Broken:
    """A source that raises when its second minute is read."""

    error: BaseException

    def read(self, start: int, stop: int, rows: object = None) -> np.ndarray:
        if start >= 60 * 200:
            raise self.error
        return np.zeros((len(CHANNELS), stop - start), dtype=np.float32)


def noted(**changes: object) -> Recording:
    return replace(recording(N_SECONDS * 200, name="noted"), annotations=NOTES, **changes)


@pytest.mark.parametrize("reader", READERS)
def test_others_read_samples_names_and_annotations_as_they_were(reader, tmp_path):
    path = tmp_path / "a.edf"
    write_edf(path, noted())
    samples, labels, notes = READERS[reader](path)
    np.testing.assert_allclose(samples, noted().read(), rtol=0, atol=TOLERANCE_UV)
    assert [find_electrode(label) for label in labels] == list(CHANNELS)
    assert (labels[0], labels[-1]) == ("EEG Fp1-REF", "EKG")
    expected = sorted((note.onset_s, note.duration_s, note.text) for note in NOTES)
    for found, note in zip(sorted(notes), expected, strict=True):
        assert found[0] == pytest.approx(note[0], abs=TOLERANCE_S)
        assert max(found[1], 0) == pytest.approx(note[1], abs=TOLERANCE_S)
        assert found[2] == note[2]
    assert [file.name for file in tmp_path.iterdir()] == ["a.edf"]


@pytest.mark.parametrize("rate_hz", [100, 200, 256, 512])
def test_the_rate_and_the_start_are_kept_and_a_file_depends_on_its_recording_alone(rate_hz, tmp_path):
    start = datetime(2019, 7, 1, 22, 30, 5)
    for name in ("a.edf", "b.edf"):
        write_edf(tmp_path / name, replace(recording(3 * rate_hz, rate_hz), start=start))
    made = open_recording(tmp_path / "a.edf")
    assert (made.rate_hz, made.duration_s, made.start.replace(tzinfo=None)) == (rate_hz, 3, start)
    assert (tmp_path / "a.edf").read_bytes() == (tmp_path / "b.edf").read_bytes()


@pytest.mark.parametrize(
    ("start", "clock", "text"),
    [
        (None, b"01.01.8500.00.00", "Startdate X X X ictal"),
        (datetime(1924, 11, 5, 3, 4, 5), b"01.01.8503.04.05", "Startdate X X X ictal started_05-NOV-1924"),
        (datetime(1984, 12, 31, 23, 59, 59), b"01.01.8523.59.59", "Startdate X X X ictal started_31-DEC-1984"),
        (datetime(1985, 1, 1, 1, 2, 3), b"01.01.8501.02.03", "Startdate X X X ictal"),
        (datetime(2084, 12, 31, 1, 2, 3), b"31.12.8401.02.03", "Startdate 31-DEC-2084 X X ictal"),
        (
            datetime(2090, 2, 28, 1, 2, tzinfo=UTC),
            b"01.01.8501.02.00",
            "Startdate X X X ictal started_28-FEB-2090",
        ),
    ],
)
def test_a_date_that_edf_cannot_state_is_never_that_of_today(start, clock, text, tmp_path):
    """EDF+ 2.1.3.2 and 2.1.3.4: years 1985 to 2084; an unknown date is 'X'."""
    for name in ("a.edf", "b.edf"):
        write_edf(tmp_path / name, replace(recording(200), start=start))
    header = (tmp_path / "a.edf").read_bytes()[:256]
    assert (header[168:184], header[88:168].decode().rstrip()) == (clock, text)
    assert header[192:197] == b"EDF+C"
    assert (tmp_path / "a.edf").read_bytes() == (tmp_path / "b.edf").read_bytes()
    with pyedflib.EdfReader(str(tmp_path / "a.edf")) as others:  # it refuses a header that contradicts itself
        assert others.signals_in_file == 20


def test_samples_saturate_at_the_limits_of_the_amplifier(tmp_path):
    rows = np.full((2, 200), 5000, dtype=np.float32)
    rows[1] = -1e9
    write_edf(tmp_path / "a.edf", Recording.from_array(rows, ("Fp1", "EKG"), 200))
    read = open_recording(tmp_path / "a.edf").read()
    np.testing.assert_allclose(read, [[3276.7] * 200, [-3276.8] * 200], rtol=1e-6)


def test_more_annotations_than_seconds_are_kept(tmp_path):
    notes = tuple(Annotation(index / 50, 0.01, f"note {index}") for index in range(100))
    write_edf(tmp_path / "a.edf", replace(recording(400), annotations=notes))
    assert [note.text for note in open_recording(tmp_path / "a.edf").annotations] == [note.text for note in notes]


def test_a_simulated_recording_comes_back_with_every_episode(tmp_path):
    made = simulate_recording(1, 0, 0.2)
    seconds = []
    write_edf(tmp_path / "new" / "a.edf", made, lambda task, done, total: seconds.append((done, total)))
    read = open_recording(tmp_path / "new" / "a.edf")
    np.testing.assert_allclose(read.read(), made.read(), rtol=0, atol=STEP_UV / 2 + 3276.8 * 2**-23)
    assert len(made.annotations) > 1
    assert read.annotations == made.annotations
    assert seconds == [(second, 720) for second in range(0, 721, 60)]


# What EDF cannot hold


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_hz": 251, "n_samples": 73 * 251 - 1}, "18322 samples at 251 Hz do not fill records"),
        ({"rate_hz": np.pi, "n_samples": 100}, "100 samples at 3.14159 Hz do not fill records"),
        ({"n_samples": 0, "annotations": ()}, "EDF cannot store 0 samples at 200"),
        ({"channels": ("a name of 17 char", *CHANNELS[1:])}, "a name of 17 char; allowed are up to 16 ASCII"),
        ({"channels": ("Stör", *CHANNELS[1:])}, "channel names Stör"),
        ({"annotations": (Annotation(0, -1, "short"),)}, "'short' is at 0 s and lasts -1 s"),
    ],
)
def test_what_edf_cannot_hold_is_refused_and_leaves_no_file(changes, message, tmp_path):
    with pytest.raises(IctalError, match=message):
        write_edf(tmp_path / "a.edf", replace(noted(), **changes))
    assert not list(tmp_path.iterdir())


def test_missing_samples_are_refused_with_their_channel_and_time(tmp_path):
    rows = recording(N_SECONDS * 200).read().copy()
    rows[2, 62 * 200 + 100] = np.nan
    with pytest.raises(WriteError, match=r"C3 has no value at 62\.5 s"):
        write_edf(tmp_path / "a.edf", Recording.from_array(rows, CHANNELS, 200))
    assert not list(tmp_path.iterdir())


# Interruptions


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (RuntimeError("broken"), RuntimeError),
        (OSError("disk full"), WriteError),
    ],
)
def test_an_error_or_ctrl_c_while_writing_leaves_no_file_and_keeps_an_old_one(error, told, tmp_path):
    broken = replace(noted(), source=Broken(error))
    with pytest.raises(told):
        write_edf(tmp_path / "a.edf", broken)
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.edf").write_text("old")
    with pytest.raises(told):
        write_edf(tmp_path / "a.edf", broken)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.edf", "old")]


@pytest.mark.parametrize("lacking", [1, 5000, 300_000])
def test_a_full_disk_is_an_error_and_leaves_no_file(lacking, tmp_path):
    write_edf(tmp_path / "a.edf", noted())
    size = (tmp_path / "a.edf").stat().st_size
    (tmp_path / "a.edf").unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - lacking, before[1]))
    try:
        with pytest.raises(WriteError, match=r"a\.edf: cannot be written: File too large"):
            write_edf(tmp_path / "a.edf", noted())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_killed_or_interrupted_command_leaves_nothing_under_the_final_name(how, code, tmp_path):
    out = tmp_path / "night.edf"
    command = [sys.executable, "-m", "ictal", "simulate", "--hours", "24", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not any(file.stat().st_size for file in tmp_path.iterdir()) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(how)
        assert process.wait(30) == code
    left = [file.name for file in tmp_path.iterdir()]
    if how == signal.SIGINT:
        assert left == []
    else:
        assert all(name.startswith(".") and name.endswith(".part") for name in left)


# The command line


def call(*arguments: object):
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)], catch_exceptions=False)


def test_the_command_makes_the_recording_of_a_patient_and_says_what_it_is(tmp_path):
    out = tmp_path / "night.edf"
    told = call("--hours", 0.02, "--seed", 1, "--patient", 0, "--out", out).stdout
    assert f"{out} (0.02 hours, 1 annotated episodes)" in told
    first = open_recording(out)
    assert (first.duration_s, [note.text for note in first.annotations]) == (72, ["possible Seizure"])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a.csv", ("--hours", 1), r"a\.csv: with hours, the result is an EDF file, and its name must end in \.edf"),
        ("old.edf", ("--hours", 1), r"old\.edf: exists; name another"),
        ("a.edf", ("--hours", 0), "hours is 0; allowed is more than 0 and at most 168"),
        ("a.edf", ("--hours", "nan"), "hours is nan"),
        ("a.edf", ("--hours", 1, "--patients", 3), "patients cannot be combined with hours"),
        (
            "a.edf",
            ("--hours", 1, "--patients", 3, "--eegs", 2),
            "patients and eegs_per_patient cannot be combined with hours",
        ),
        ("a", ("--patient", 3), "patient .* needs hours"),
    ],
)
def test_what_the_command_cannot_do_is_refused(name, arguments, message, tmp_path):
    (tmp_path / "old.edf").write_text("old")
    with pytest.raises(IctalError, match=message):
        call("--out", tmp_path / name, *arguments)
    assert [file.name for file in tmp_path.iterdir()] == ["old.edf"]
