"""EDF and BDF against other readers, and against bytes that are made here by the letter of the specification."""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.recording import Annotation, Gap
from ictal.errors import ReadError
from ictal.io import open_recording
from ictal.io.edf.header import EdfFile
from ictal.io.edf.reader import read_edf, unit_uv

RATE_HZ = 100


@dataclass(frozen=True)
class Made:
    """One signal: its header's fields as text, and digital values [record, sample]."""

    label: str
    digital: np.ndarray
    unit: str | bytes = "uV"
    physical: tuple[str, str] = ("-3276.8", "3276.7")
    limits: tuple[str, str] = ("-32768", "32767")


def tals(onset: str, *notes: bytes, n_bytes: int = 120) -> bytes:
    """EDF+ 2.2.4: the time-keeping annotation first, then others, each closed by a zero byte."""
    return b"".join([onset.encode() + b"\x14\x14\x00", *(note + b"\x00" for note in notes)]).ljust(n_bytes, b"\0")


def write(
    path: Path, signals: list[Made], times: list[bytes] | None = None, bdf: bool = False, **fields: str
) -> Path:
    """Write a file of records of one second; `fields` replace those of the header."""
    width, n_records = (3 if bdf else 2), len(signals[0].digital)
    if times:
        block = np.frombuffer(b"".join(times), "<i2").reshape(n_records, -1)
        signals = [*signals, Made("EDF Annotations", block, "", ("-1", "1"))]
    main = {
        "version": ("\xffBIOSEMI" if bdf else "0", 8),
        "patient": ("X X X X", 80),
        "recording": ("Startdate 29-FEB-2024 X X X", 80),
        "date": ("29.02.24", 8),
        "time": ("23.59.58", 8),
        "header_bytes": (str(256 * (1 + len(signals))), 8),
        "plus": ("", 44),
        "n_records": (str(n_records), 8),
        "record_s": ("1", 8),
        "n_signals": (str(len(signals)), 4),
    }
    header = b"".join(_field(fields.get(name, text), size) for name, (text, size) in main.items())
    columns = [
        [(made.label, 16) for made in signals],
        [("", 80) for _ in signals],
        [(made.unit, 8) for made in signals],
        *([(made.physical[end], 8) for made in signals] for end in (0, 1)),
        *([(made.limits[end], 8) for made in signals] for end in (0, 1)),
        [("", 80) for _ in signals],
        [(str(made.digital.shape[1]), 8) for made in signals],
        [("", 32) for _ in signals],
    ]
    header += b"".join(_field(text, size) for column in columns for text, size in column)
    records = [
        made.digital[record].astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
        for record in range(n_records)
        for made in signals
    ]
    path.write_bytes(header + b"".join(records))
    return path


def _field(text: str | bytes, size: int) -> bytes:
    return (text if isinstance(text, bytes) else text.encode("latin-1")).ljust(size)[:size]


def ramp(n_records: int, n_samples: int = RATE_HZ) -> np.ndarray:
    return np.arange(n_records * n_samples).reshape(n_records, n_samples) % 60_000 - 30_000


def fp1(n_records: int = 4, **more: object) -> Made:
    return Made("EEG Fp1-REF", ramp(n_records), **more)


# Against other readers


def real_files(shared_data: Path) -> list[Path]:
    return [*sorted((shared_data / "edf").iterdir()), *sorted((shared_data / "seizure").glob("*.edf"))[::12]]


def test_real_files_have_the_samples_that_mne_and_edfio_read(shared_data):
    """Within half a digital step, and what float32 rounds away (2^-24 of the value; MNE's volts once more)."""
    compared, factor = 0, {"uV": 1, "mV": 1e3}
    for path in real_files(shared_data):
        try:
            made = read_edf(path)
        except ReadError:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = mne.io.read_raw(path, verbose="ERROR")
            read = edfio.read_bdf if path.suffix == ".bdf" else edfio.read_edf
            theirs = {signal.label: signal for signal in read(path).signals}
        for row, (name, samples) in enumerate(zip(made.channels, made.read(), strict=True)):
            if made.channels.count(name) > 1:
                continue  # MNE renames what is there twice
            signal = made.source.signals[row]
            step = abs((signal.physical[1] - signal.physical[0]) / (signal.digital[1] - signal.digital[0]))
            tolerance = step / 2 + abs(samples).max() * 2**-23
            for other in (1e6 * raw.get_data(name)[0], factor[signal.dimension] * theirs[name].data):
                np.testing.assert_allclose(samples, other[: len(samples)], rtol=0, atol=tolerance, err_msg=str(path))
                compared += 1
        assert made.start == raw.info["meas_date"]
        assert len(made.annotations) == len(raw.annotations)
    assert compared > 400


def test_real_headers_are_those_that_pyedflib_reads(shared_data):
    compared = 0
    for path in real_files(shared_data):
        try:
            reader = pyedflib.EdfReader(str(path))
        except OSError:
            continue  # it is stricter
        with reader:
            signals = [signal for signal in EdfFile.open(path).signals if not signal.is_annotation]
            assert [signal.label for signal in signals] == reader.getSignalLabels()
            for number, signal in enumerate(signals):
                assert signal.physical == (reader.getPhysicalMinimum(number), reader.getPhysicalMaximum(number))
                assert signal.digital == (reader.getDigitalMinimum(number), reader.getDigitalMaximum(number))
            notes = zip(*reader.readAnnotations(), strict=True)
            # pyedflib cuts texts at 40 bytes.
            own = [(note.onset_s, note.duration_s, note.text.encode()[:40]) for note in read_edf(path).annotations]
            assert own == [(onset, max(duration, 0), text.encode()[:40]) for onset, duration, text in notes]
            compared += 1
    assert compared >= 6


def test_edfio_and_mne_read_the_same_of_a_made_discontinuous_file(tmp_path):
    times = [tals(f"+{onset}") for onset in (0, 1, 5, 6)]
    path = write(tmp_path / "a.edf", [fp1()], times, plus="EDF+D")
    made = read_edf(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne.io.read_raw_edf(path, verbose="ERROR")
    np.testing.assert_allclose(made.read(), 1e6 * raw.get_data(), rtol=0, atol=0.05)
    np.testing.assert_allclose(made.read()[0], edfio.read_edf(path).signals[0].data, rtol=0, atol=0.05)


# Times


@given(
    gaps=st.lists(st.sampled_from([0, 0, 0, 0.5, 3, 86400.25]), min_size=1, max_size=12),
    first_s=st.sampled_from([0, 0.25, 7]),
)
def test_gaps_and_segments_are_those_of_the_records(tmp_path_factory, gaps, first_s):
    """EDF+ 2.2.4: each record of EDF+D states when it begins; the first one may begin after the header's time."""
    onsets = np.cumsum([0, *(1 + gap for gap in gaps)]) + first_s
    signals = [fp1(len(onsets)), Made("EEG C3-REF", -ramp(len(onsets)))]
    path = tmp_path_factory.mktemp("d") / "a.edf"
    write(path, signals, [tals(f"+{onset}", b"+0.5\x14early") for onset in onsets.tolist()], plus="EDF+D")
    made = read_edf(path)
    assert len(made.gaps) == np.count_nonzero(gaps)
    assert made.span_s == pytest.approx(onsets[-1] + 1 - first_s)
    assert made.start == datetime.fromtimestamp(
        datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC).timestamp() + first_s, UTC
    )
    assert {note.onset_s for note in made.annotations} == {0.5 - first_s}
    times = np.concatenate([s.onset_s + np.arange(s.stop - s.start) / RATE_HZ for s in made.runs])
    expected = (onsets[:, None] - first_s + np.arange(RATE_HZ) / RATE_HZ).ravel()
    np.testing.assert_allclose(times, expected, rtol=0, atol=1e-9)


def test_a_record_that_begins_before_the_last_one_ended_is_refused(tmp_path):
    path = write(tmp_path / "a.edf", [fp1()], [tals(f"+{onset}") for onset in (0, 1, 1.5, 3)], plus="EDF+D")
    words = r"its clock goes back by 0\.5 s after 2 s of samples"
    with pytest.raises(
        ReadError, match=rf"a\.edf: {words}\. Correct the file or, if you are sure .* --accept-doubtful"
    ):
        open_recording(path)
    made = open_recording(path, accept_doubtful=True)
    assert (made.n_samples, made.gaps) == (4 * RATE_HZ, ())
    assert [note[:44] for note in made.notes] == ["accepted although doubtful: its clock goes back"[:44]]


def test_a_discontinuous_file_must_say_when_each_record_begins(tmp_path):
    path = write(tmp_path / "a.edf", [fp1()], [tals("+0"), bytes(120), tals("+2"), tals("+3")], plus="EDF+D")
    with pytest.raises(ReadError, match=r"discontinuous \(EDF\+D\) but does not state the onset of record 2 of 4"):
        read_edf(path)


def test_rounded_onsets_make_no_gap_but_a_slow_clock_is_set_anew(tmp_path):
    """Records that come 9 ms late each are within what rounding does; after 56 of them half a second is lost."""
    jitter = [tals(f"+{n + 0.004 * (n % 3):.3f}") for n in range(60)]
    assert read_edf(write(tmp_path / "a.edf", [fp1(60)], jitter, plus="EDF+D")).gaps == ()
    drift = [tals(f"+{1.009 * n:.3f}") for n in range(60)]
    (gap,) = read_edf(write(tmp_path / "b.edf", [fp1(60)], drift, plus="EDF+D")).gaps
    assert (gap.start_s, gap.duration_s) == pytest.approx((56, 0.504))


def test_a_continuous_file_has_no_gaps_whatever_its_records_say(tmp_path):
    path = write(tmp_path / "a.edf", [fp1()], [tals("+0")] * 4, plus="EDF+C")
    assert read_edf(path).gaps == ()
    np.testing.assert_array_equal(EdfFile.open(path).onsets_s, [0, 1, 2, 3])


def test_a_real_discontinuous_file_has_its_gap(shared_data):
    path = shared_data / "edf" / "beacon_test_merged_EDFplusD.edf"
    made = read_edf(path, {signal.label: "uV" for signal in EdfFile.open(path).signals})
    assert made.gaps == (Gap(6, 43200 - 6),)
    assert (made.duration_s, made.span_s) == (12, 43206)


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({"date": "31.12.85"}, datetime(1985, 12, 31, 23, 59, 58, tzinfo=UTC)),
        ({"date": "31.12.84"}, datetime(2084, 12, 31, 23, 59, 58, tzinfo=UTC)),
        ({"date": "1-2-03", "time": "4:05:06"}, datetime(2003, 2, 1, 4, 5, 6, tzinfo=UTC)),
        ({"date": "30.02.24"}, None),
        ({"time": "24.00.00"}, None),
        ({"date": ""}, None),
    ],
)
def test_the_clipping_date_and_dates_that_are_none(tmp_path, fields, start):
    """EDF+ 2.1.3.2: 85 to 99 are of 1985 to 1999, 00 to 84 of 2000 to 2084."""
    made = read_edf(write(tmp_path / "a.edf", [fp1()], recording="night 2", **fields))
    assert made.start == start
    assert [note[:24] for note in made.notes] == ([] if start else ["its start is unknown: da"])


@pytest.mark.parametrize(
    ("date", "recording", "year", "said"),
    [
        ("02.03.02", "Startdate 02-MAR-2002 X X X", 2002, []),
        ("02.03.24", "Startdate 02-MAR-1924 X X X", 1924, []),
        ("02.03.90", "Startdate 02-mar-2090", 2090, []),
        ("01.01.85", "Startdate 02-MAR-1924 X X X", 1924, []),
        (
            "02.03.yy",
            "Startdate 02-MAR-2090 X X X",
            2090,
            ["its header states '02.03.yy' as date; the da"],
        ),
        ("02.03.24", "Startdate 03-MAR-2024 X X X", 2024, ["it states two start dates, 2024-03-02 and 2024-"]),
        ("02.03.24", "Startdate 31-FEB-2024 X X X", 2024, []),
        ("02.03.24", "Startdate X X X X", 2024, []),
        ("01.01.85", "Startdate X X X X", 1985, ["its date is unknown; 1985-01-01 stands for it"]),
    ],
)
def test_the_field_of_the_recording_has_the_whole_year(tmp_path, date, recording, year, said):
    """EDF+ 2.1.3.4: 'Startdate dd-MMM-yyyy'; 2.1.3.2: after 2084 the header says 'yy'."""
    made = read_edf(write(tmp_path / "a.edf", [fp1()], date=date, recording=recording))
    month_and_day = (1, 1) if year == 1985 else (3, 2)
    assert made.start == datetime(year, *month_and_day, 23, 59, 58, tzinfo=UTC)
    assert len(made.notes) == len(said)
    assert all(note.startswith(words) for note, words in zip(made.notes, said, strict=True))


# Annotations


def test_annotations_overlap_are_many_at_one_time_and_in_any_encoding(tmp_path):
    notes = [
        b"+0.5\x152\x14Fp1 h\xc3\xa4ngt\x14and more\x14",
        b"+1\x150.25\x14h\xe4ngt\x14",
        b"-1\x14before\x14",
        b"junk",
    ]
    made = read_edf(write(tmp_path / "a.edf", [fp1(1)], [tals("+0", *notes)], plus="EDF+C"))
    assert made.annotations == (
        Annotation(-1.0, 0.0, "before"),
        Annotation(0.5, 2.0, "Fp1 hängt"),
        Annotation(0.5, 2.0, "and more"),
        Annotation(1.0, 0.25, "hängt"),
    )


# Samples


def test_a_bdf_has_24_bits_with_sign_and_its_status_is_no_signal(tmp_path):
    digital = np.array([[-(2**23), -1, 0, 1, 2**23 - 1]])
    limits = (str(-(2**23)), str(2**23 - 1))
    signals = [Made("Fp1", digital, "uV", limits, limits), Made("Status", digital, "Boolean", limits, limits)]
    made = read_edf(write(tmp_path / "a.bdf", signals, bdf=True))
    assert made.channels == ("Fp1",)
    assert made.limits_uv == ((-(2.0**23), 2.0**23 - 1),)
    np.testing.assert_array_equal(made.read(), digital)


@given(st.integers(0, 399), st.integers(1, 400), st.permutations([0, 1, 2]))
def test_any_piece_of_any_channels(made_of_three, start, length, rows):
    recording, expected = made_of_three
    stop = min(start + length, 400)
    np.testing.assert_array_equal(recording.read(start, stop, rows[:2]), expected[rows[:2], start:stop])


@pytest.fixture(scope="module")
def made_of_three(tmp_path_factory):
    digital = [ramp(4), -ramp(4), 2 * (ramp(4) // 3)]
    signals = [
        Made(name, values, physical=("-32768", "32767"))
        for name, values in zip(("F3", "C3", "P3"), digital, strict=True)
    ]
    path = write(tmp_path_factory.mktemp("three") / "a.edf", [signals[0], Made("Resp", ramp(4, 7)), *signals[1:]])
    return read_edf(path), np.stack([values.ravel() for values in digital])


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        *(("uV", 1), ("µV", 1), ("μV", 1), ("UV", 1), ("?V", 1), ("Âµv", 1), ("\x83ÊV", 1), (" uV ", 1)),
        *(("mV", 1e3), ("V", 1e6), ("nV", 1e-3)),
        *(("", None), ("n/a", None), ("%", None), ("kV", None), ("-V", None), ("T", None), ("BPM", None)),
    ],
)
def test_units(text, factor):
    assert unit_uv(text) == factor


def test_what_is_no_voltage_or_has_no_range_is_left_out_by_name(tmp_path):
    signals = [
        fp1(),
        Made("SaO2", ramp(4), "%"),
        Made("Cz", ramp(4), physical=("0", "0")),
        Made("Pz", ramp(4), limits=("x", "1")),
        Made("Oz", ramp(4), physical=("-9e99", "9e99")),
    ]
    made = read_edf(write(tmp_path / "a.edf", signals))
    assert made.channels == ("EEG Fp1-REF",)
    assert made.kinds == ("eeg",)
    assert made.limits_uv == ((-3276.8, 3276.7),)
    assert made.notes == (
        "left out because they are not voltages: SaO2",
        "left out because they have no valid range of values: Cz, Pz, Oz",
    )
    with pytest.raises(
        ReadError, match=r"b\.edf: no signal can be used; left out because they are not voltages: SaO2"
    ):
        read_edf(write(tmp_path / "b.edf", signals[1:2]))


# Broken headers


def test_a_label_with_a_line_break_stays_in_one_line(tmp_path):
    assert read_edf(write(tmp_path / "a.edf", [fp1(), Made("a\nb", ramp(4))])).channels == ("EEG Fp1-REF", "a?b")


def test_numbers_with_commas_zero_bytes_and_labels_beyond_ascii_are_read(tmp_path):
    made = Made("Fp1 häng", ramp(4), physical=("-3276,8", "3276,7"))
    other = read_edf(write(tmp_path / "a.edf", [made], record_s="1,0\0\0\0", n_signals="1\0"))
    assert (other.channels, other.rate_hz, other.notes) == (("Fp1 häng",), 100, ())
    np.testing.assert_allclose(other.read()[0], ramp(4).ravel() / 10, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("fields", "cut", "n_records", "note"),
    [
        ({"n_records": "-1"}, 0, 4, "its header states -1 records; it has 4 complete ones"),
        ({"n_records": "2"}, 0, 4, "its header states 2 records; it has 4 complete ones"),
        ({"n_records": ""}, 0, 4, "its header states nan records; it has 4 complete ones"),
        ({}, 50, 3, "its header states 4 records; it has 3 complete ones and 150 bytes of an incomplete one"),
        ({"header_bytes": "99"}, 0, 4, "its header states a header size of 99 bytes; 512 is used"),
    ],
)
def test_a_length_that_the_header_has_wrong_is_put_right_and_noted(tmp_path, fields, cut, n_records, note):
    path = write(tmp_path / "a.edf", [fp1()], **fields)
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])
    made = read_edf(path)
    assert (made.n_samples, made.notes) == (n_records * RATE_HZ, (note,))
    np.testing.assert_allclose(made.read()[0], ramp(n_records).ravel() / 10, rtol=0, atol=1e-3)


def test_a_longer_header_is_believed_where_the_size_agrees(tmp_path):
    path = write(tmp_path / "a.edf", [fp1()], header_bytes="768")
    content = path.read_bytes()
    path.write_bytes(content[:512] + bytes(256) + content[512:])
    np.testing.assert_allclose(read_edf(path).read()[0], ramp(4).ravel() / 10, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": "1"}, "is not an EDF or BDF file; it starts with '1  "),
        ({"n_signals": "x"}, "states 'x' as number of signals; allowed is a whole number"),
        ({"n_signals": "-2"}, "states '-2' as number of signals"),
        ({"n_signals": "0"}, "has no signal with samples"),
        ({"n_signals": "99"}, "is truncated after 1312 bytes, within its header of 25600"),
        ({"record_s": "0"}, "states records of '0' s; allowed is a number above 0"),
        ({"record_s": "inf"}, "states records of 'inf' s"),
        ({"record_s": "1e-5"}, "states 1e+07 samples per second; allowed are 100000"),
    ],
)
def test_a_number_without_which_nothing_can_be_read_is_refused(tmp_path, fields, words):
    path = write(tmp_path / "a.edf", [fp1()], **fields)
    with pytest.raises(ReadError) as caught:
        read_edf(path)
    assert f"{path}: {words}" in str(caught.value)


def test_files_without_a_whole_record_or_with_annotations_alone(tmp_path):
    path = write(tmp_path / "a.edf", [fp1()])
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(
        ReadError, match=r"is truncated after 600 bytes, before the end of the first record of 200 bytes"
    ):
        read_edf(path)
    notes = [Made("EDF Annotations", np.zeros((1, 60), dtype=int))]
    with pytest.raises(ReadError, match="has no signals except EDF Annotations"):
        read_edf(write(tmp_path / "b.edf", notes, record_s="0", plus="EDF+C"))


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    path = write(tmp_path / "a.edf", [fp1()])
    made = read_edf(path)
    path.write_bytes(path.read_bytes()[:-10])
    assert made.read(0, 300).shape == (1, 300)
    with pytest.raises(ReadError, match=r"a\.edf: has become shorter since it was opened"):
        made.read(0, 301)
