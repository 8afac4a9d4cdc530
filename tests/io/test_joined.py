"""Joined recordings: the whole from its pieces, cut anywhere, and every reason why pieces are no recording."""

import datetime as dt
import ntpath
import shutil
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import edfio
import mne
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.recording import Annotation, Gap, Recording
from ictal.errors import ReadError, UsageError
from ictal.io import join_recordings, open_recording
from ictal.io.edf.patient import differing_subfields
from ictal.io.joined import joined_path, pieces_of
from ictal.io.recording_files import recording_hash
from tests.helpers import edf_signals, noise

RATE_HZ, RECORD_S = 200, 0.05
STEP = round(RATE_HZ * RECORD_S)
START = dt.datetime(2024, 2, 29, 22, 0, 0, 250_000)
SUNDAY = dt.datetime(2024, 3, 31)
SAMPLES = noise(40 * RATE_HZ)
NOTES = (Annotation(1.5, 0.0, "eyes closed"), Annotation(19.9, 3.0, "chewing"), Annotation(39.0, 0.5, "seizure?"))


def edf(path: Path, samples: np.ndarray = SAMPLES, start: dt.datetime = START, **more) -> Path:
    """Write a piece as EDF+, whose onset has the fraction of a second, or as BDF+."""
    is_bdf = path.suffix == ".bdf"
    signals = edf_signals(
        samples,
        more.get("channels", CHANNELS),
        more.get("rate_hz", RATE_HZ),
        more.get("limit", 500),
        kind=edfio.BdfSignal if is_bdf else edfio.EdfSignal,
    )
    made = (edfio.Bdf if is_bdf else edfio.Edf)(
        signals,
        starttime=start.time(),
        patient=more.get("patient", edfio.Patient()),
        recording=edfio.Recording(startdate=start.date()),
        data_record_duration=RECORD_S,
        annotations=[edfio.EdfAnnotation(note.onset_s, note.duration_s, note.text) for note in more.get("notes", ())],
    )
    made.write(path)
    return path


def cut(folder: Path, edges: list[int], lost: int = 0, start: dt.datetime = START) -> list[Path]:
    """Write pieces of the recording between edges, in records; of each but the first, the beginning is `lost`."""
    paths = []
    for number, (begin, end) in enumerate(zip([0, *edges], [*edges, len(SAMPLES[0]) // STEP], strict=True), 1):
        first = begin + (lost if begin else 0)
        onset_s = first * RECORD_S
        own = [replace(n, onset_s=n.onset_s - onset_s) for n in NOTES if onset_s <= n.onset_s < end * RECORD_S]
        path = folder / f"night_{number}.edf"
        at = start + dt.timedelta(seconds=onset_s)
        paths.append(edf(path, SAMPLES[:, first * STEP : end * STEP], at, notes=own))
    return paths


def made(name: str, start: dt.datetime | None, seconds: float = 60, **more) -> Recording:
    """Return a piece in memory; its samples are not looked at."""
    channels = more.pop("channels", CHANNELS)
    rate_hz = more.pop("rate_hz", 100)
    zeros = np.zeros((len(channels), round(seconds * rate_hz)), dtype=np.float32)
    return replace(Recording.from_array(zeros, channels, rate_hz, name), start=start, **more)


def at(hour: int, minute: int = 0, second: float = 0, day: dt.datetime = START) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day) + dt.timedelta(hours=hour, minutes=minute, seconds=second)


def halves(*minutes: int, length: int = 60) -> list[Recording]:
    """Return pieces of so many minutes that start at these minutes of the day, named n_8, n_9, n_10, ..."""
    return [made(f"n_{n}", at(0, minute), 60 * length, rate_hz=1) for n, minute in enumerate(minutes, 8)]


# The whole from its pieces


@given(
    edges=st.lists(st.integers(20, 780), unique=True, max_size=4).map(sorted),
    order=st.randoms(use_true_random=False),
    lost=st.sampled_from([0, 0, 1, 7]),
)
def test_pieces_cut_anywhere_are_the_whole(edges, order, lost):
    """Cuts are at multiples of 50 ms, and records that were lost at a cut are gaps of that length."""
    edges = [edge for edge, after in pairwise([*edges, 800]) if after - edge > 20]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = open_recording(edf(folder / "whole.edf", notes=NOTES))
        paths = cut(folder, edges, lost)
        order.shuffle(paths)
        joined = join_recordings(paths)
        there = np.ones(SAMPLES.shape[1], dtype=bool)
        for edge in edges:
            there[edge * STEP : (edge + lost) * STEP] = False
        np.testing.assert_array_equal(joined.read(), whole.read()[:, there])
        assert joined.start == whole.start
        assert joined.span_s == pytest.approx(whole.span_s, abs=1e-6)
        times = np.concatenate([run.onset_s + np.arange(run.stop - run.start) / RATE_HZ for run in joined.runs])
        np.testing.assert_allclose(times, np.flatnonzero(there) / RATE_HZ, rtol=0, atol=2e-6)
        gaps = [(edge * RECORD_S, lost * RECORD_S) for edge in edges if lost]
        np.testing.assert_allclose([(gap.start_s, gap.duration_s) for gap in joined.gaps], gaps, atol=2e-6)
        if not lost:
            assert [(n.text, n.duration_s) for n in joined.annotations] == [(n.text, n.duration_s) for n in NOTES]
            onsets_s = [note.onset_s for note in joined.annotations]
            np.testing.assert_allclose(onsets_s, [note.onset_s for note in NOTES], atol=2e-6)
        assert (joined.channels, joined.limits_uv) == (whole.channels, whole.limits_uv)


@given(start=st.integers(-50, 9000), length=st.integers(0, 9000), rows=st.lists(st.integers(0, 19), max_size=3))
def test_any_part_is_read_as_from_an_array(start, length, rows):
    pieces = [
        replace(part, start=START + dt.timedelta(seconds=begin / RATE_HZ))
        for begin, end in pairwise([0, 1, 100, 5000, 8000])
        for part in [Recording.from_array(SAMPLES[:, begin:end], CHANNELS, RATE_HZ, f"{begin}")]
    ]
    start, stop = max(start, 0), max(start, 0) + length
    whole = Recording.from_array(SAMPLES, CHANNELS, RATE_HZ)
    joined = join_recordings(pieces)
    assert not joined.gaps
    np.testing.assert_array_equal(joined.read(start, stop, rows), whole.read(start, stop, rows))
    np.testing.assert_array_equal(joined.read(start, stop), whole.read(start, stop))


def test_a_piece_alone_is_itself(tmp_path):
    path = edf(tmp_path / "night.edf")
    alone, same = join_recordings([path]), open_recording(path)
    assert (alone.name, alone.start, alone.channels, pieces_of(alone)) == (same.name, same.start, same.channels, ())
    assert join_recordings([made("no start", None)]).start is None


def test_gaps_within_pieces_are_kept():
    first = made("a", at(22), 60, gaps=(Gap(20.0, 5.0),))
    second = made("b", at(22, 2), 60, gaps=(Gap(1.0, 0.5), Gap(30.0, 2.0)))
    joined = join_recordings([first, second])
    assert joined.gaps == (Gap(20.0, 5.0), Gap(65.0, 55.0), Gap(121.0, 0.5), Gap(150.0, 2.0))
    assert joined.notes == ("joined from 2 pieces: a, b", "1 gap between pieces, 55 s in all")
    assert [run.start for run in joined.runs] == [0, 2000, 6000, 6100, 8950]


def test_pieces_in_several_formats_with_channels_in_another_order(tmp_path):
    edges = [3000, 5000]
    reverse = SAMPLES[::-1, 3000:5000]
    labels = [f"EEG {name}" if name in ELECTRODES else name for name in CHANNELS[::-1]]
    first = edf(tmp_path / "n_1.edf", SAMPLES[:, :3000])
    second = edf(tmp_path / "n_2.bdf", reverse, START + dt.timedelta(seconds=15), channels=labels)
    info = mne.create_info(list(CHANNELS), RATE_HZ, "eeg")
    raw = mne.io.RawArray(SAMPLES[:, 5000:].astype(float) * 1e-6, info, verbose="ERROR")
    raw.set_meas_date((START + dt.timedelta(seconds=25)).replace(tzinfo=dt.UTC))
    joined = join_recordings([raw, second, first])
    np.testing.assert_allclose(joined.read(), SAMPLES, rtol=0, atol=0.01)
    assert joined.channels == CHANNELS
    assert [piece.first for piece in pieces_of(joined)] == [0, *edges]
    assert set(joined.kinds) == {"eeg"} or joined.kinds[0] == "eeg"


def test_other_channels_that_some_pieces_lack_are_left_out_with_a_note():
    pieces = [
        made("a", at(22), channels=(*CHANNELS, "SpO2", "Pleth")),
        made("b", at(22, 1), channels=("Pleth", *CHANNELS)),
        made("c", at(22, 2), channels=(*ELECTRODES, "pleth ")),
    ]
    joined = join_recordings(pieces)
    assert joined.channels == (*ELECTRODES, "Pleth")
    assert "left out because some pieces lack them: EKG (not in c), SpO2 (not in b, c)" in joined.notes


def test_names_of_electrodes_may_be_written_in_other_ways():
    names = tuple(f"{name}-REF" for name in ELECTRODES)
    others = tuple("EEG T7-REF" if name == "T3" else f"EEG {name.upper()}-Ref" for name in ELECTRODES)
    joined = join_recordings([made("a", at(22), channels=names), made("b", at(22, 1), channels=others)])
    assert joined.channels == names


def test_limits_that_differ_are_unknown_and_a_note_says_so():
    limits = [((-500.0, 500.0),) * 20, ((-500.0, 500.0),) * 19 + ((-9.0, 9.0),)]
    joined = join_recordings([made(f"n{n}", at(22, n), limits_uv=own) for n, own in enumerate(limits)])
    assert joined.limits_uv[0] == (-500, 500)
    assert np.isnan(joined.limits_uv[-1]).all()
    assert "clipped samples are not marked in EKG, since the limits of their pieces differ" in joined.notes
    assert join_recordings([made("a", at(22), limits_uv=limits[0]), made("b", at(22, 1))]).limits_uv == ()


def test_notes_of_pieces_name_them_unless_all_have_them():
    own = {"a": (), "b": ("odd",), "c": ("odd",)}
    joined = join_recordings([made(name, at(22, n), notes=("all", *own[name])) for n, name in enumerate(own)])
    assert joined.notes == ("joined from 3 pieces: a, b, c", "all", "b, c: odd")
    assert joined.all_notes == joined.notes


def test_what_a_piece_notes_while_it_is_read_is_a_note_of_the_whole():
    class Noting:
        notes = ()

        def read(self, start, stop, rows=None):
            self.notes = ("a block is damaged",)
            return np.zeros((20, stop - start), dtype=np.float32)

    joined = join_recordings([made("a", at(22)), replace(made("b", at(22, 1)), source=Noting())])
    joined.read()
    assert joined.all_notes[1:] == ("b: a block is damaged",)


# Names and hashes


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["w/night_02.edf", "w/night_01.edf"], "w/night"),
        (["chb01_03.edf", "chb01_04.edf"], "chb01"),
        (["night01.edf", "night10.EDF"], "night"),
        (["d/sub-01_run-1_eeg.edf", "d/sub-01_run-2_eeg.bdf"], "d/sub-01"),
        (["night.edf", "night_2.edf"], "night_joined"),
        (["p1/a.edf", "p2/a.edf"], "a_joined"),
        (["20240301_22.edf", "20240302_01.edf"], "20240301_22_joined"),
        (["/d/n.1.edf", "/d/n.2.edf"], "/d/n"),
        (["one.edf"], "one.edf"),
    ],
)
def test_the_name_is_how_all_names_begin(files, name):
    assert joined_path(files) == joined_path(files[::-1]) == Path(name)


def test_pieces_on_two_drives_of_windows_have_a_name(monkeypatch):
    monkeypatch.setattr("ictal.io.joined.Path", PureWindowsPath)
    monkeypatch.setattr("ictal.io.joined.os", SimpleNamespace(path=ntpath))
    assert str(joined_path(["C:/a/n_1.edf", "C:/b/n_2.edf"])) == r"C:\n"
    assert str(joined_path(["C:/a/n_1.edf", "D:/a/n_2.edf"])) == "n"


def test_the_hash_does_not_depend_on_names_and_order(tmp_path):
    one, two = edf(tmp_path / "a.edf", SAMPLES[:, :400]), edf(tmp_path / "b.edf", SAMPLES[:, 400:800])
    known = recording_hash(one, two)
    shutil.move(one, tmp_path / "z.edf")
    assert recording_hash(two, tmp_path / "z.edf") == known != recording_hash(two)


# Gaps and clocks


def gap_of(late_s: float, fraction_s: float = 0.0) -> tuple[tuple[Gap, ...], tuple[str, ...]]:
    start = at(22, second=fraction_s)
    joined = join_recordings([made("a", start, 60.3), made("b", start + dt.timedelta(seconds=60.3 + late_s), 60)])
    return joined.gaps, joined.notes[1:]


@pytest.mark.parametrize("late_s", [-1.0, -0.3, -0.02, 0.0, 0.004, 0.3, 0.9, 1.0, 3.0])
def test_gaps_are_those_that_the_clock_can_tell(late_s):
    """With fractions of a second, from 10 ms on; before the end, only the clock differs."""
    gaps, notes = gap_of(late_s, fraction_s=0.1)
    assert gaps == (() if late_s < 0.01 else (Gap(60.3, pytest.approx(late_s)),))
    if late_s < -0.01:
        assert notes == (f"joined without a gap, although the clock differs from the samples: b by {late_s:+.2g} s",)
    else:
        assert notes == ((f"1 gap between pieces, {late_s:g} s in all",) if gaps else ())


@pytest.mark.parametrize(("late_s", "gap_s"), [(-0.3, 0), (0.7, 0), (1.7, 1.7)])
def test_gaps_below_a_second_are_not_known_if_starts_are_in_whole_seconds(late_s, gap_s):
    joined = join_recordings([made("a", at(22), 60.3), made("b", at(22, second=round(60.3 + late_s)))])
    assert joined.gaps == ((Gap(60.3, pytest.approx(gap_s)),) if gap_s else ())
    assert any(f"b by {late_s:+.2g} s" in note for note in joined.notes) == (not gap_s)


@given(
    lengths=st.lists(st.integers(500, 99_999), min_size=2, max_size=30),
    first_s=st.floats(0, 0.999),
)
def test_a_recorder_that_cuts_off_fractions_of_a_second_makes_no_gaps(lengths, first_s):
    """True starts are cut to whole seconds, as in EDF; the samples go on without a gap."""
    ends = np.cumsum([0, *lengths]) / 100
    pieces = [
        made(f"n{number}", at(22, second=int(first_s + begin)), length / 100)
        for number, (begin, length) in enumerate(zip(ends, lengths, strict=False))
    ]
    joined = join_recordings(pieces)
    assert not joined.gaps
    assert joined.span_s == pytest.approx(sum(lengths) / 100)


def test_small_gaps_add_up_to_one_that_is_known():
    """Half a second is lost at each cut: after two cuts, the clock tells a second."""
    pieces = [made(f"n{n}", at(22, second=int(60.5 * n)), 60) for n in range(5)]
    joined = join_recordings(pieces)
    assert joined.span_s == pytest.approx(4 * 60.5 + 60, abs=1)
    assert [gap.duration_s for gap in joined.gaps] == [1.0, 1.0]


def test_a_clock_that_drifts_over_a_night_is_no_overlap_and_hides_no_gap():
    """Samples run ahead of the clock by 0.2 s an hour; a pause of 4 s is still one, although less than the drift."""
    seconds = [3600 * n - 0.2 * n + (4 if n > 23 else 0) for n in range(26)]
    pieces = [made(f"n{n:02}", at(22, second=second), 3600, rate_hz=1) for n, second in enumerate(seconds)]
    joined = join_recordings(pieces)
    assert [gap.duration_s for gap in joined.gaps] == [pytest.approx(3.8)]
    assert any("n25 by" in note or "..." in note for note in joined.notes)


def test_a_gap_of_days_is_noted_and_one_of_weeks_in_doubt():
    days = [made("a", at(22)), made("b", at(22 + 48))]
    assert "b begins 2.0 days after a ends" in join_recordings(days).notes
    weeks = [made("a", at(22)), made("b", at(22 + 24 * 300))]
    with pytest.raises(ReadError, match=r"b begins 300\.0 days after a ends.*--accept-doubtful"):
        join_recordings(weeks)
    assert join_recordings(weeks, accept_doubtful=True).gaps[0].duration_s == pytest.approx(300 * 86_400 - 60)


@pytest.mark.parametrize(
    ("minutes", "length"),
    [
        ((60, 120, 120, 180), 60),
        ((90, 120, 150, 120, 150, 180), 30),
        ((0, 60, 180, 360), 120),
        ((170, 120, 130), 10),
    ],
)
def test_a_clock_that_was_set_back_is_a_doubt_and_pieces_then_follow_each_other(minutes, length):
    """Starts that come twice, or in another order than the names; and two-hour pieces."""
    pieces = halves(*minutes, length=length)
    told = r"n_\d+ begins an hour before n_\d+ ends, as after a clock was set back"
    with pytest.raises(ReadError, match=told):
        join_recordings(pieces[::-1])
    joined = join_recordings(pieces[::-1], accept_doubtful=True)
    assert [piece.name for piece in pieces_of(joined)] == [piece.name for piece in pieces]
    assert sum(gap.duration_s for gap in joined.gaps) == (3600 if length == 120 else 0)


def test_half_hours_that_follow_each_other_need_no_names():
    """By their names, a clock might have been set back; the starts leave no time between the pieces."""
    joined = join_recordings(halves(150, 120, length=30))
    assert [piece.name for piece in pieces_of(joined)] == ["n_9", "n_8"]
    assert not joined.gaps


@pytest.mark.parametrize(("day", "hour", "is_doubt"), [(SUNDAY, 2, True), (SUNDAY, 12, False), (START, 2, False)])
def test_an_hour_that_is_missing_in_the_night_of_the_change_is_a_doubt(day, hour, is_doubt):
    pieces = [made(name, at(begin, day=day), 3600, rate_hz=1) for name, begin in (("a", hour - 1), ("b", hour + 1))]
    if is_doubt:
        with pytest.raises(ReadError, match="b begins an hour after a ends, in a night in which clocks are set fo"):
            join_recordings(pieces)
    joined = join_recordings(pieces, accept_doubtful=is_doubt)
    assert joined.gaps == (Gap(3600.0, 3600.0),)


def test_unknown_dates_are_a_doubt_if_names_suggest_another_order():
    unknown = dt.datetime(1985, 1, 1)
    night = [made(f"n_{n}", at(hour, day=unknown), 3600, rate_hz=1) for n, hour in enumerate((22, 23, 0))]
    assert not join_recordings(night[:2]).gaps
    with pytest.raises(ReadError, match="dated 1985-01-01, which stands for an unknown date, and their names su"):
        join_recordings(night)


# What is refused


REFUSED = {
    "a begins 30 s before b ends": [made("b", at(22)), made("a", at(22, second=30))],
    "b begins 50 s before a ends": [made("a", at(22), 100), made("b", at(22, second=50), 10), made("c", at(22, 5))],
    "a and b begin at the same time, 2024-02-29 22:00:00": [made("a", at(22)), made("b", at(22))],
    "b states no start": [made("a", at(22)), made("b", None)],
    "b has no samples": [made("a", at(22)), made("b", at(23), 0)],
    "sampling rates differ: 100 Hz in a; 128 Hz in b": [made("a", at(22)), made("b", at(23), rate_hz=128)],
    "b lacks T3, O2": [
        made("a", at(22)),
        made("b", at(23), channels=tuple(n for n in CHANNELS if n not in ("T3", "O2"))),
    ],
    "a lacks Fp1, F3": [made("a", at(22), channels=("SpO2",)), made("b", at(23))],
    "a lacks Fp1-F7": [made("a", at(22), channels=("F7-T3",)), made("b", at(23), channels=("F7-T3", "Fp1-F7"))],
    "references of Fp1, F3 differ: REF in a; A1 in b": [
        made("a", at(22), channels=("Fp1-REF", "F3-REF")),
        made("b", at(23), channels=("Fp1-A1", "F3-A1")),
    ],
    "references of Fp1 differ: unknown in a; A1 in b": [
        made("a", at(22), channels=("Fp1",)),
        made("b", at(23), channels=("Fp1",), references=("A1",)),
    ],
    "references of Fp1 differ: G2 in a; REF in b": [
        made("a", at(22), channels=("Fp1",), references=("G2",)),
        made("b", at(23), channels=("Fp1",), references=("REF",)),
    ],
    "types of Fp1 differ: eeg in a; bad in b": [
        made("a", at(22), channels=("Fp1",), kinds=("eeg",)),
        made("b", at(23), channels=("Fp1",), kinds=("bad",)),
    ],
}


@pytest.mark.parametrize("told", REFUSED)
def test_pieces_that_are_no_recording_are_refused_with_what_differs(told):
    pieces = REFUSED[told]
    with pytest.raises(ReadError, match="cannot be joined") as caught:
        join_recordings(pieces, name="night", accept_doubtful=True)
    assert f"  - {told}" in str(caught.value)
    assert str(caught.value).startswith(f"night: {len(pieces)} pieces cannot be joined: ")


def test_all_problems_are_listed_at_once():
    pieces = [made("a", at(22)), made("b", at(22, second=30), rate_hz=200), made("c", at(22, 5), channels=("Fp1",))]
    with pytest.raises(ReadError, match="3 problems"):
        join_recordings(pieces)


def test_nothing_is_no_recording():
    with pytest.raises(UsageError, match="there are no recordings to join"):
        join_recordings([])


@pytest.mark.parametrize("one", ["night_*.edf", Path("night_1.edf")])
def test_one_path_is_no_list_of_pieces(one):
    with pytest.raises(UsageError, match=r"'night_.\.edf': name the pieces in a list"):
        join_recordings(one)


@pytest.mark.parametrize("content", [b"", b"not EEG", None])
def test_a_piece_that_cannot_be_read_is_named(content, tmp_path):
    good, bad = edf(tmp_path / "n_1.edf"), tmp_path / "n_2.edf"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(ReadError, match=r"n_2\.edf"):
        join_recordings([good, bad])


@pytest.mark.parametrize("seconds", [40, 3600])
def test_a_file_that_is_there_twice_is_named_even_after_an_hour(tmp_path, seconds):
    slow = np.tile(SAMPLES[:, :800], 1 if seconds == 40 else 90)[:, : seconds * 20]
    one = edf(tmp_path / "n_1.edf", slow, rate_hz=20)
    shutil.copy(one, tmp_path / "copy.edf")
    for pair in ([one, tmp_path / "copy.edf"], [one, one]):
        with pytest.raises(ReadError, match="are the same recording"):
            join_recordings(pair, accept_doubtful=True)


def test_two_patients_are_a_doubt_that_does_not_show_their_names(tmp_path):
    people = [edfio.Patient(code="0815", name="Berta_Beispiel"), edfio.Patient(code="4711", name="Berta_Beispiel")]
    paths = [
        edf(tmp_path / f"n_{n}.edf", start=START + dt.timedelta(minutes=n), patient=person)
        for n, person in enumerate((people[0], edfio.Patient(), people[1]))
    ]
    with pytest.raises(
        ReadError, match=r"patient fields of n_0\.edf and n_2\.edf differ in code: they may be two"
    ) as caught:
        join_recordings(paths)
    joined = join_recordings(paths, accept_doubtful=True)
    for text in (str(caught.value), *joined.notes):
        assert not any(secret in text for secret in ("0815", "4711", "Berta", "Beispiel"))
    assert len(join_recordings(paths[:2]).gaps) == 1


@pytest.mark.parametrize(
    ("one", "other", "differing"),
    [
        ("MCH-0234567 F 02-MAY-1951 Haagse_Harry", "mch-0234567  F X haagse_harry", []),
        ("A F X Haagse_Harry", "A M 02-MAY-1951 Other", ["sex", "name"]),
        ("X X X X", "A F X Someone", []),
        ("Harry", "Harry ", []),
        ("Harry", "Sally", ["text"]),
        ("", "Sally", []),
        ("Harry", "A F X Harry", ["text"]),
    ],
)
def test_only_what_both_fields_state_can_differ(one, other, differing):
    assert differing_subfields(one, other) == differing_subfields(other, one) == differing
