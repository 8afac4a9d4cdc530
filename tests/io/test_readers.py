import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.montage import find_electrode
from ictal.core.recording import Recording
from ictal.errors import IctalError, ReadError
from ictal.io import open_recording
from ictal.io.hms import write_hms
from ictal.io.mne_formats.mat_check import check_mat
from ictal.io.open import READERS
from tests.helpers import BDF_STEPS, EDF_STEPS, edf_signals, noise, recording
from tests.io.devices import micromed_files, nicolet_files, xdf_files
from tests.io.devices.natus_files import Options, write_natus

CHANNELS = ("EEG Fp1-REF", "EEG T7-REF", "SaO2", "ECG")
SHORT_CHANNELS = ("Fp1", "T7", "SaO2", "ECG")
"""For formats whose names are short."""
LIMIT_UV = 500.0
STEP_UV = 2.0**-5
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


def write_brainvision(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    """BrainVision Core Data Format 1.0: a header, samples and markers."""
    channels = "".join(f"Ch{number}={name},,1,µV\n" for number, name in enumerate(CHANNELS, start=1))
    path.write_text(
        "BrainVision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nMarkerFile={path.stem}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(CHANNELS)}\nSamplingInterval={1e6 / rate_hz}\n[Binary Infos]\n"
        f"BinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}",
        encoding="utf-8",
    )
    path.with_suffix(".eeg").write_bytes(samples.T.astype("<f4").tobytes())
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\n[Marker Infos]\nMk1=Comment,seizure,2561,512,0\n",
        encoding="utf-8",
    )


def write_eeglab(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    """EEGLAB: one structure in a file of Matlab."""
    dtype = [("labels", "O"), ("type", "O")]
    events = [("type", "O"), ("latency", "O"), ("duration", "O")]
    eeg = {
        "setname": "a",
        "nbchan": float(len(samples)),
        "pnts": float(samples.shape[1]),
        "trials": 1.0,
        "srate": float(rate_hz),
        "xmin": 0.0,
        "xmax": samples.shape[1] / rate_hz,
        "data": samples,
        "chanlocs": np.array([(name, "EEG") for name in CHANNELS], dtype=dtype),
        "event": np.array([("seizure", 2561.0, 512.0)], dtype=events),
    }
    scipy.io.savemat(path, {"EEG": eeg})


def write_nicolet(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    digital = np.rint(samples / STEP_UV)
    channels = [
        nicolet_files.Channel(name, row, rate_hz, STEP_UV) for name, row in zip(CHANNELS, digital, strict=True)
    ]
    nicolet_files.write(path, nicolet_files.Nicolet(channels, [(0.0, samples.shape[1] / rate_hz)], block=100))


def write_micromed(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    digital = np.rint(samples / STEP_UV) + 2**15
    span = {"digital_range": (0, 2**16 - 1), "physical_range": (0, 2**11)}
    channels = [micromed_files.Channel(name, row, **span) for name, row in zip(SHORT_CHANNELS, digital, strict=True)]
    micromed_files.write(path, micromed_files.Micromed(channels, int(rate_hz)))


def write_natus_files(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    write_natus(path, samples, CHANNELS, rate_hz)


def write_xdf(path: Path, samples: np.ndarray, rate_hz: float) -> None:
    xdf_files.write(path, [xdf_files.eeg(samples, CHANNELS, rate_hz)])


@dataclass(frozen=True)
class Format:
    """A format, its writer, and how exactly it holds a voltage.

    Writers are someone else's, but for Parquet and for formats that only devices write.
    """

    file: str
    write: Callable[[Path, np.ndarray, float], None]
    rate_hz: float
    tolerance_uv: float
    channels: tuple[str, ...] = CHANNELS


# A digital format rounds to half a step of the range 2 x 500 µV. All end in float32; FIF is float32 (in
# volts) on disk too, and MNE takes BrainVision and EEGLAB to volts and we back. Parquet holds the very float32
# numbers.
FORMATS = {
    "parquet": Format("a.parquet", write_parquet, 200, 0),
    "edf": Format("a.edf", write_edf, 256, LIMIT_UV / EDF_STEPS + FLOAT32),
    "bdf": Format("a.bdf", write_bdf, 512, LIMIT_UV / BDF_STEPS + FLOAT32),
    "fif": Format("a_raw.fif", write_fif, 1000 / 3, 2 * FLOAT32),
    "fif.gz": Format("a_raw.fif.gz", write_fif, 256, 2 * FLOAT32),
    "brainvision": Format("a.vhdr", write_brainvision, 500, 2 * FLOAT32),
    "eeglab": Format("a.set", write_eeglab, 256, 2 * FLOAT32),
    "nicolet": Format("a.e", write_nicolet, 256, STEP_UV / 2 + FLOAT32),
    "micromed": Format("a.trc", write_micromed, 512, STEP_UV / 2 + FLOAT32, SHORT_CHANNELS),
    "micromed vwr": Format("a.vwr", write_micromed, 512, STEP_UV / 2 + FLOAT32, SHORT_CHANNELS),
    "natus": Format("a.erd", write_natus_files, 256, abs(Options().step_uv) / 2 + FLOAT32),
    "xdf": Format("a.xdf", write_xdf, 1000 / 3, 0),
    "xdfz": Format("a.xdfz", write_xdf, 512, 0),
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
    assert made.channels == written.format.channels
    assert made.rate_hz == pytest.approx(written.format.rate_hz, rel=2**-24)
    assert made.n_samples == N_SAMPLES
    assert made.duration_s == pytest.approx(N_SAMPLES / written.format.rate_hz)
    assert made.gaps == ()
    assert len(made.kinds) in (0, len(CHANNELS))
    assert len(made.limits_uv) in (0, len(CHANNELS))


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


@given(st.data())
def test_chosen_channels_are_rows_of_the_whole(written, data):
    rows = data.draw(st.lists(st.integers(0, len(CHANNELS) - 1), min_size=1, unique=True))
    chosen = written.recording.read(1000, 1700, rows)
    assert chosen.dtype == np.float32
    np.testing.assert_array_equal(chosen, written.recording.read(1000, 1700)[rows])


def test_the_case_of_the_suffix_and_the_type_of_the_path_do_not_matter(written, tmp_path):
    shutil.copytree(written.path.parent, tmp_path, dirs_exist_ok=True)
    name, _, suffix = written.path.name.partition(".")
    loud = (tmp_path / written.path.name).rename(tmp_path / f"{name}.{suffix.upper()}")
    np.testing.assert_array_equal(open_recording(str(loud)).read(), written.recording.read())


def test_a_damaged_file_is_refused_by_name_or_shorter_but_no_surprise(written, tmp_path):
    """A file cut at any place, or with its middle blanked, ends in a recording or a ReadError."""
    content = written.path.read_bytes()
    n_bytes = len(content)
    shutil.copytree(written.path.parent, tmp_path, dirs_exist_ok=True)
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
    (tmp_path / "a.xlsx").write_text("a")
    with pytest.raises(ReadError, match=r"a\.xlsx: '\.xlsx' is not a known format; known are \.parquet, \.edf"):
        open_recording(tmp_path / "a.xlsx")
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(ReadError, match=r"a\.parquet: is a folder with 0 EEG recordings.*; name a file"):
        open_recording(tmp_path / "a.parquet")


@pytest.mark.parametrize(("kind", "suffix"), [("edf", ".bdf"), ("bdf", ".edf"), ("edf", ".rec"), ("parquet", ".set")])
def test_what_a_file_holds_counts_and_not_its_suffix(tmp_path, kind, suffix):
    path = tmp_path / FORMATS[kind].file
    FORMATS[kind].write(path, noise(N_SAMPLES, n_channels=len(CHANNELS)), FORMATS[kind].rate_hz)
    samples = open_recording(path).read()
    made = open_recording(path.rename(tmp_path / f"b{suffix}"))
    np.testing.assert_array_equal(made.read(), samples)
    assert made.notes[-1:] == (f"it is a file in {kind.upper()} format despite its suffix '{suffix}'",)


@pytest.mark.parametrize(("part", "main"), [(".eeg", "vhdr"), (".vmrk", "vhdr"), (".fdt", "set"), (".21E", "eeg")])
def test_a_part_of_a_recording_names_the_file_to_open(tmp_path, part, main):
    (tmp_path / f"a{part}").write_bytes(b"abc")
    (tmp_path / f"a.{main}").write_bytes(b"abc")
    with pytest.raises(ReadError, match=rf"a\{part}: is a part of a recording; open a\.{main} instead"):
        open_recording(tmp_path / f"a{part}")


def test_a_file_without_permission_is_refused_by_name(tmp_path, monkeypatch):
    write_edf(tmp_path / "a.edf", noise(N_SAMPLES, n_channels=4), 256)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(ReadError, match=r"a\.edf: cannot be read: Permission denied"):
        open_recording(tmp_path / "a.edf")


# Parquet


def test_text_under_the_name_of_parquet_is_shown(tmp_path):
    path = tmp_path / "1.parquet"
    path.write_text("eeg_id,Fp1\n1,2.5\n")
    with pytest.raises(ReadError, match=r"1\.parquet: is not a Parquet file.*starts with 'eeg_id,Fp1.*to_parquet"):
        open_recording(path)


def test_a_real_csv_under_the_name_of_parquet_is_refused(shared_data):
    with pytest.raises(ReadError, match=r"csv_named_as_parquet\.parquet: is not a Parquet file"):
        open_recording(shared_data / "hms" / "csv_named_as_parquet.parquet")


def test_columns_of_text_are_named(tmp_path):
    path = tmp_path / "1.parquet"
    pd.DataFrame({"Fp1": [1.0, 2.0], "note": ["a", "b"]}).to_parquet(path)
    with pytest.raises(ReadError, match=r"1\.parquet: columns \['note'\] are not numbers.*per channel, in µV"):
        open_recording(path)


def test_tables_of_pandas_with_an_index_integers_and_holes_are_read(tmp_path):
    path = tmp_path / "1.parquet"
    table = pd.DataFrame({"Fp1": pd.array([1, None, 3], dtype="Int64"), "EKG": np.array([4, 5, 6], dtype=np.int16)})
    table.set_axis([7, 9, 8]).to_parquet(path)
    made = open_recording(path)
    assert made.channels == ("Fp1", "EKG")
    np.testing.assert_array_equal(made.read(), np.array([[1, np.nan, 3], [4, 5, 6]], dtype=np.float32))


@given(start=st.integers(0, 2499), length=st.integers(0, 2500))
def test_pieces_across_groups_of_rows(grouped, start, length):
    path, table = grouped
    piece = open_recording(path).read(start, min(start + length, 2500), [2, 0])
    np.testing.assert_array_equal(piece, table.to_numpy().T[[2, 0], start : start + length])


@pytest.fixture(scope="module")
def grouped(tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    path = tmp_path_factory.mktemp("groups") / "a.parquet"
    table = pd.DataFrame(noise(2500, n_channels=3).T, columns=["Fp1", "Fp2", "EKG"])
    table.to_parquet(path, row_group_size=700)
    return path, table


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "1.parquet"
    columns = [pa.array([1.0]), pa.array([2.0])]
    pq.write_table(pa.Table.from_arrays(columns, ["Fp1", "Fp1"]), path)
    with pytest.raises(ReadError, match=r"1\.parquet: has two columns with the same name: Fp1, Fp1"):
        open_recording(path)


def test_the_hms_layout_holds_200_hz_only(tmp_path):
    with pytest.raises(ValueError, match=r"noise has 256\.0 Hz; .*200 Hz"):
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


def test_the_unit_of_every_electrode_must_be_known(shared_data):
    with pytest.raises(ReadError, match=r"EDFplusD\.edf: the voltages of C3, .* are unknown: .* unit is 'n/a'"):
        open_recording(shared_data / "edf" / "beacon_test_merged_EDFplusD.edf")


def test_channels_of_another_rate_than_the_eeg_are_left_out(tmp_path):
    """EDF specification: each signal has its own number of samples per record; EKG and EEG often differ."""
    path = tmp_path / "a.edf"
    eeg, others = noise(2560, n_channels=1), noise(1280, n_channels=2, seed=1)
    edfio.Edf([*edf_signals(others, ["ECG", "Resp"], 128), *edf_signals(eeg, ["Fp1"], 256)]).write(path)
    made = open_recording(path)
    assert (made.rate_hz, made.n_samples, made.channels) == (256, 2560, ("Fp1",))
    assert made.notes == (
        "its date is unknown; 1985-01-01 stands for it",
        "left out because they have another sampling rate than the EEG: ECG, Resp",
    )
    np.testing.assert_allclose(made.read(), eeg, rtol=0, atol=FORMATS["edf"].tolerance_uv)


# MNE's formats


def test_annotations_of_brainvision_and_eeglab_stand_at_their_sample(tmp_path):
    for kind in ("brainvision", "eeglab"):
        path = tmp_path / FORMATS[kind].file
        FORMATS[kind].write(path, noise(N_SAMPLES, n_channels=len(CHANNELS)), 256)
        (note,) = open_recording(path).annotations
        assert note.text.endswith("seizure")
        assert (note.onset_s, note.duration_s) == pytest.approx((10, 2), abs=1e-6)


@pytest.mark.parametrize("day", [None, datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)])
def test_times_of_a_cropped_fif_begin_with_its_first_sample(tmp_path, day):
    """FIF counts samples from the start of the measurement, and a cropped file begins later."""
    info = mne.create_info(list(CHANNELS), 256, ["eeg", "eeg", "stim", "ecg"])
    raw = mne.io.RawArray(noise(2560, n_channels=4) * 1e-6, info, verbose="ERROR")
    raw.set_meas_date(day)
    raw.set_annotations(mne.Annotations([3.0, 6.0], [0.5, 0], ["seizure", "BAD boundary"]))
    raw.info["bads"] = [CHANNELS[1]]
    raw.crop(2, 8).save(tmp_path / "a_raw.fif", verbose="ERROR")
    made = open_recording(tmp_path / "a_raw.fif")
    assert [(note.onset_s, note.duration_s, note.text) for note in made.annotations] == [
        (1.0, 0.5, "seizure"),
        (4.0, 0.0, "BAD boundary"),
    ]
    assert made.start == (day and day + timedelta(seconds=2))
    assert dict(zip(made.channels, made.kinds, strict=True)) == {
        "EEG Fp1-REF": "eeg",
        "EEG T7-REF": "bad",
        "ECG": "ecg",
    }
    assert [note[:30] for note in made.notes] == [
        "marked as bad, and not used: E",
        "segments were joined at 1 place"[:30],
    ]
    np.testing.assert_allclose(made.read(), 1e6 * raw.get_data([0, 1, 3]), rtol=0, atol=2 * FLOAT32)


def test_a_fif_file_with_a_link_back_is_read(tmp_path):
    """An editor adds a comment at the end of the file, which belongs behind the start of the measurement's info."""
    path = tmp_path / "a_raw.fif"
    write_fif(path, noise(N_SAMPLES, n_channels=len(CHANNELS)), 256)
    samples, content, tags, at = open_recording(path).read(), bytearray(path.read_bytes()), [], 0
    while True:
        tags.append(at)
        _, _, size, following = struct.unpack_from(">iIii", content, at)
        if following < 0:
            break
        at = following or at + 16 + size
    begins = [struct.unpack_from(">i", content, tag)[0] == 104 for tag in tags]
    block = next(
        n for n, tag in enumerate(tags) if begins[n] and struct.unpack_from(">i", content, tag + 16)[0] == 101
    )
    struct.pack_into(">i", content, tags[block] + 12, len(content))
    content += struct.pack(">iIii", 206, 10, 4, tags[block + 1]) + b"note"
    path.write_bytes(content)
    np.testing.assert_array_equal(open_recording(path).read(), samples)


def test_a_fif_file_that_leads_in_a_circle_is_refused(tmp_path):
    """MNE 1.13 would follow it for ever (found by benchmarks/fuzz.py); the directory is what it looks at first."""
    path = tmp_path / "a_raw.fif"
    write_fif(path, noise(N_SAMPLES, n_channels=len(CHANNELS)), 256)
    content = bytearray(path.read_bytes())
    content[52:56] = struct.pack(">i", -1)  # no directory
    size, following = struct.unpack_from(">ii", content, 56 + 8)
    assert (following, size > 0) == (0, True)
    content[56 + 12 : 56 + 16] = struct.pack(">i", 36)
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"a_raw\.fif: .*damaged FIF file: the tag at byte 56 leads back to byte 36"):
        open_recording(path)


def test_a_damaged_eeglab_file_does_not_kill_python(tmp_path):
    """SciPy 1.17 looks up the unknown type 50 beyond its table (found by benchmarks/fuzz.py)."""
    path = tmp_path / "a.set"
    write_eeglab(path, noise(N_SAMPLES, n_channels=len(CHANNELS)), 256)
    text = struct.pack("<II", 16, 7) + b"seizure"
    assert text in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(text, struct.pack("<II", 50, 7) + b"seizure"))
    with pytest.raises(ReadError, match=r"a\.set: .*damaged Matlab file: an element of type 50 with 7 bytes"):
        open_recording(path)


def test_every_matlab_file_that_scipy_reads_passes():
    """SciPy's own files of Matlab 4 to 7.4, among them objects, functions and 64-bit integers."""
    folder = Path(scipy.io.__file__).parent / "matlab" / "tests" / "data"
    paths = sorted(folder.glob("*.mat"))
    if not paths:
        pytest.skip("SciPy was installed without its tests")
    refused = set()
    for path in paths:
        try:
            check_mat(path)
        except ReadError:
            refused.add(path.name)
    damaged = {"bad_miuint32.mat", "corrupted_zlib_checksum.mat", "corrupted_zlib_data.mat", "malformed1.mat"}
    assert refused == damaged
    assert len(paths) > 100


# All formats


def damaged_files(formats: str, n: int, seed: int, *options: str) -> dict[str, int]:
    """Return the outcomes of benchmarks/fuzz.py, which says what a case may do."""
    script = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
    command = [sys.executable, script, "--n", str(n), "--seed", str(seed), "--formats", formats, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {word: int(count) for count, word in (line.split(maxsplit=1) for line in done.stdout.splitlines())}
    assert sum(counts.values()) == n
    return counts


@pytest.mark.parametrize("formats", ["edf,bdf,parquet,vhdr,fif,set", "e,trc,vwr,eeg", "natus", "xdf,xdfz"])
def test_hundreds_of_damaged_files_end_in_a_recording_or_an_error(formats):
    counts = damaged_files(formats, 300, seed=5)
    assert min(counts["recording"], counts["error: ReadError"]) > 20


@pytest.mark.slow
def test_damaged_files_end_so_in_the_process_of_a_vendors_reader():
    counts = damaged_files("natus,xdf", 16, 6, "--guarded")
    assert min(counts["recording"], counts["error: ReadError"]) >= 2


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["e", "trc", "vwr", "eeg", "natus", "xdf"])
def test_thousands_of_damaged_files_end_in_a_recording_or_an_error(kind):
    counts = damaged_files(kind, 5000, seed=0)
    assert min(counts["recording"], counts["error: ReadError"]) > 500


# Real files


def test_every_real_file_is_read_or_refused_by_name_in_one_sentence(shared_data):
    read, refused = {}, {}
    for path in sorted((shared_data / "edf").iterdir()):
        try:
            made = open_recording(path)
            assert np.isfinite(made.read()).all()
            read[path.name] = made
        except IctalError as error:
            refused[path.name] = str(error)
    assert all(name in message and "\n" not in message for name, message in refused.items())
    assert set(refused) == {"MIOB_invalid.edf", "beacon_test_merged_EDFplusD.edf"}
    assert len(read) == 8
    burst = read["stevenson_neonatal_burst_eg.edf"]
    assert (burst.rate_hz, burst.duration_s, len(burst.channels)) == (256, 211, 21)
    assert find_electrode(burst.channels[0]) == "Fp1"
    assert len(read["mne_multi_annotation.bdf"].annotations) == 10
    (note, other_rate) = read["nedc_example_size_mismatch.edf"].notes
    assert note == "its header states 5 records; it has 4 complete ones and 12794 bytes of an incomplete one"
    assert other_rate == "left out because they have another sampling rate than the EEG: IBI, BURSTS, SUPPR"
