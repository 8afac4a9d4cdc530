from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.errors import IctalError, ReadError
from ictal.io import open_recording
from ictal.io.hms import write_hms
from ictal.io.open import READERS
from ictal.montage import find_electrode
from ictal.recording import Recording
from tests.helpers import BDF_STEPS, EDF_STEPS, edf_signals, noise, recording

CHANNELS = ("EEG Fp1-REF", "EEG T7-REF", "SaO2", "ECG")
LIMIT_UV = 500.0
FLOAT32 = LIMIT_UV * 2**-24
"""What float32 rounds away of 500 µV: at most 2^-24 of it."""


def write_parquet(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    write_hms(path, Recording.from_array(samples, CHANNELS, rate_hz))


def write_edf(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    edfio.Edf(edf_signals(samples, CHANNELS, rate_hz, LIMIT_UV)).write(path)


def write_bdf(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    edfio.Bdf(edf_signals(samples, CHANNELS, rate_hz, LIMIT_UV, kind=edfio.BdfSignal)).write(path)


def write_fif(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    info = mne.create_info(list(CHANNELS), rate_hz, "eeg")
    mne.io.RawArray(samples * 1e-6, info, verbose="ERROR").save(path, verbose="ERROR")


@dataclass(frozen=True)
class Format:
    """A format, its writer (someone else's, but for Parquet), and how exactly it holds a voltage."""

    file: str
    write: Callable[[Path, np.ndarray, float], None]
    rate_hz: float
    tolerance_uv: float


# A digital format rounds to half a step of the range 2 x 500 µV. All end in float32; FIF is float32 (in
# volts) on disk too. Parquet holds the very float32 numbers.
FORMATS = {
    "parquet": Format("a.parquet", write_parquet, 200, 0),
    "edf": Format("a.edf", write_edf, 256, LIMIT_UV / EDF_STEPS + FLOAT32),
    "bdf": Format("a.bdf", write_bdf, 512, LIMIT_UV / BDF_STEPS + FLOAT32),
    "fif": Format("a_raw.fif", write_fif, 1000 / 3, 2 * FLOAT32),
}
N_SAMPLES = 5120


@dataclass(frozen=True)
class Written:
    """What was written, and what is read of it."""

    format: Format
    path: Path
    samples: np.ndarray
    recording: Recording


@pytest.fixture(scope="module", params=FORMATS)
def written(request, tmp_path_factory) -> Written:
    chosen = FORMATS[request.param]
    path = tmp_path_factory.mktemp(request.param) / chosen.file
    samples = noise(N_SAMPLES, n_channels=len(CHANNELS))
    chosen.write(path, samples, chosen.rate_hz)
    return Written(chosen, path, samples, open_recording(path))


def test_channels_rate_and_length_are_those_of_the_file(written):
    made = written.recording
    assert made.name == str(written.path)
    assert made.channels == CHANNELS
    assert made.rate_hz == pytest.approx(written.format.rate_hz, rel=2**-24)
    assert made.n_samples == N_SAMPLES
    assert made.duration_s == pytest.approx(N_SAMPLES / written.format.rate_hz)
    assert made.gaps == ()


def test_values_are_microvolts_within_the_resolution_of_the_format(written):
    read = written.recording.read()
    assert read.dtype == np.float32
    assert read.shape == (len(CHANNELS), N_SAMPLES)
    np.testing.assert_allclose(read, written.samples, rtol=0, atol=written.format.tolerance_uv)


@given(st.data())
def test_a_segment_is_a_slice_of_the_whole(written, data):
    start = data.draw(st.integers(0, N_SAMPLES - 1))
    stop = data.draw(st.integers(start + 1, N_SAMPLES))
    segment = written.recording.read(start, stop)
    assert segment.dtype == np.float32
    np.testing.assert_array_equal(segment, written.recording.read()[:, start:stop])


def test_the_case_of_the_suffix_and_the_type_of_the_path_do_not_matter(written, tmp_path):
    loud = tmp_path / (written.path.stem + written.path.suffix.upper())
    loud.write_bytes(written.path.read_bytes())
    np.testing.assert_array_equal(open_recording(str(loud)).read(), written.recording.read())


def test_a_damaged_file_is_refused_by_name_or_shorter_but_no_surprise(written, tmp_path):
    """A file cut at any place, or with its middle blanked, ends in a recording or a ReadError."""
    content = written.path.read_bytes()
    n_bytes = len(content)
    damaged = [content[:stop] for stop in (0, 3, 100, 300, 1500, n_bytes // 2, n_bytes - 1)]
    damaged.append(content[: n_bytes // 3] + bytes(n_bytes // 3) + content[n_bytes // 3 * 2 :])
    refusals = []
    for number, broken in enumerate(damaged):
        path = tmp_path / f"{number}_{written.path.name}"
        path.write_bytes(broken)
        try:
            made = open_recording(path)
            assert made.read().shape == (len(CHANNELS), made.n_samples)
        except ReadError as error:
            refusals.append((str(path), str(error)))
    assert len(refusals) >= 3
    assert [message for path, message in refusals if path not in message] == []


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("content", [b"", b"eeg_id,Fp1\n1,2.5\n" * 50, bytes(5000)], ids=["empty", "text", "zeros"])
def test_a_file_that_is_not_what_its_suffix_says_is_refused_by_name(tmp_path, suffix, content):
    path = tmp_path / f"a_raw{suffix}"
    path.write_bytes(content)
    with pytest.raises(ReadError) as caught:
        open_recording(path).read()
    assert str(path) in str(caught.value)


def test_an_absent_file_and_an_unknown_suffix(tmp_path):
    with pytest.raises(ReadError, match=r"none\.edf: there is no such file"):
        open_recording(tmp_path / "none.edf")
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(ReadError, match=r"a\.parquet: there is no such file"):
        open_recording(tmp_path / "a.parquet")
    with pytest.raises(ReadError, match=r"a\.xlsx: '\.xlsx' is not a known format; known are \.parquet, \.edf"):
        open_recording(tmp_path / "a.xlsx")


# Parquet


def test_text_under_the_name_of_parquet_is_shown(tmp_path):
    path = tmp_path / "1.parquet"
    path.write_text("eeg_id,Fp1\n1,2.5\n")
    with pytest.raises(ReadError, match=r"1\.parquet: is not a Parquet file.*begins with 'eeg_id,Fp1.*to_parquet"):
        open_recording(path)


def test_a_real_csv_under_the_name_of_parquet_is_refused(shared_data):
    with pytest.raises(ReadError, match=r"csv_named_as_parquet\.parquet: is not a Parquet file"):
        open_recording(shared_data / "hms" / "csv_named_as_parquet.parquet")


def test_columns_of_text_are_named(tmp_path):
    path = tmp_path / "1.parquet"
    pd.DataFrame({"Fp1": [1.0, 2.0], "note": ["a", "b"]}).to_parquet(path)
    with pytest.raises(ReadError, match=r"1\.parquet: columns \['note'\] are not numbers.*µV per channel"):
        open_recording(path)


def test_tables_of_pandas_with_an_index_integers_and_holes_are_read(tmp_path):
    path = tmp_path / "1.parquet"
    table = pd.DataFrame({"Fp1": pd.array([1, None, 3], dtype="Int64"), "EKG": np.array([4, 5, 6], dtype=np.int16)})
    table.set_axis([7, 9, 8]).to_parquet(path)
    made = open_recording(path)
    assert made.channels == ("Fp1", "EKG")
    np.testing.assert_array_equal(made.read(), np.array([[1, np.nan, 3], [4, 5, 6]], dtype=np.float32))


def test_the_hms_layout_holds_200_hz_only(tmp_path):
    with pytest.raises(ValueError, match="200 Hz, and noise has 256"):
        write_hms(tmp_path / "1.parquet", recording(100, 256))
    assert list(tmp_path.iterdir()) == []


def test_real_recordings_of_the_competition(shared_data):
    made = open_recording(shared_data / "hms" / "train_eegs" / "1628180742.parquet")
    table = pd.read_parquet(made.name)
    assert (made.rate_hz, made.n_samples, made.duration_s) == (200, 18_000, 90)
    np.testing.assert_array_equal(made.read(5000, 15000), table.to_numpy(dtype=np.float32).T[:, 5000:15000])


# EDF and BDF


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_notes_and_the_start_of_the_clock_are_read(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    plus, signal = (edfio.Edf, edfio.EdfSignal) if kind == "edf" else (edfio.Bdf, edfio.BdfSignal)
    notes = [edfio.EdfAnnotation(0.5, None, "Fp1 häng"), edfio.EdfAnnotation(3, 1.5, "seizure")]
    signals = edf_signals(noise(2560, n_channels=1), ["Fp1"], 256, kind=signal)
    day = edfio.Recording(startdate=date(2024, 2, 29))
    plus(signals, recording=day, starttime=time(23, 59, 58), annotations=notes).write(path)
    made = open_recording(path)
    assert made.start == datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
    assert [(note.onset_s, note.duration_s, note.text) for note in made.annotations] == [
        (0.5, 0.0, "Fp1 häng"),
        (3.0, 1.5, "seizure"),
    ]
    assert made.channels == ("Fp1",)


@pytest.mark.parametrize(("unit", "factor"), [(b"uV", 1), (b"\xb5V", 1), (b"mV", 1e3), (b"V ", 1e6)])
def test_units_of_edf_become_microvolts(tmp_path, unit, factor):
    path = tmp_path / "a.edf"
    samples = noise(2560, n_channels=1)
    edfio.Edf(edf_signals(samples, ["Fp1"], 256)).write(path)
    path.write_bytes(path.read_bytes().replace(b"uV", unit, 1))
    tolerance = factor * (LIMIT_UV / EDF_STEPS + FLOAT32)
    np.testing.assert_allclose(open_recording(path).read(), factor * samples, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_a_discontinuous_file_is_refused(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    FORMATS[kind].write(path, noise(2560, n_channels=len(CHANNELS)), 256)
    content = bytearray(path.read_bytes())
    content[192:197] = f"{kind.upper()}+D".encode()  # EDF+ specification 2.1.1, reserved field of the header
    path.write_bytes(content)
    with pytest.raises(ReadError, match=rf"a\.{kind}: is discontinuous \({kind.upper()}\+D\); only continuous"):
        open_recording(path)


def test_a_real_discontinuous_file_is_refused(shared_data):
    with pytest.raises(ReadError, match=r"beacon_test_merged_EDFplusD\.edf: is discontinuous \(EDF\+D\)"):
        open_recording(shared_data / "edf" / "beacon_test_merged_EDFplusD.edf")


def test_channels_of_an_edf_that_were_recorded_at_two_rates(tmp_path):
    """EDF specification: each signal has its own number of samples per record; EKG and EEG often differ."""
    path = tmp_path / "a.edf"
    eeg, ekg = noise(2560, n_channels=1), noise(1280, n_channels=1, seed=1)
    edfio.Edf([*edf_signals(eeg, ["Fp1"], 256), *edf_signals(ekg, ["ECG"], 128)]).write(path)
    made = open_recording(path)
    assert (made.rate_hz, made.n_samples) == (256, 2560)
    whole = made.read()
    np.testing.assert_allclose(whole[:1], eeg, rtol=0, atol=FORMATS["edf"].tolerance_uv)
    np.testing.assert_array_equal(made.read(700, 1500), whole[:, 700:1500])


def test_every_real_file_is_read_or_refused_by_name(shared_data):
    read, refused = {}, {}
    for path in sorted((shared_data / "edf").iterdir()):
        try:
            made = open_recording(path)
            assert np.isfinite(made.read(0, 100)).all()
            read[path.name] = made
        except IctalError as error:
            refused[path.name] = str(error)
    assert all(name in message for name, message in refused.items())
    assert set(refused) == {"MIOB_invalid.edf", "beacon_test_merged_EDFplusD.edf"}
    assert len(read) == 8
    burst = read["stevenson_neonatal_burst_eg.edf"]
    assert (burst.rate_hz, burst.duration_s, len(burst.channels)) == (256, 211, 21)
    assert find_electrode(burst.channels[0]) == "Fp1"
    assert len(read["mne_multi_annotation.bdf"].annotations) == 10
