"""Events on a real Raw of MNE-Python: each is at the samples that were scored, however the Raw came to be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import mne
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.core.montage import ELECTRODES
from ictal.errors import UnknownNameError, UsageError
from ictal.io.edf.writer import write_edf
from ictal.io.open import as_recording
from ictal.preprocessing.channel_mapping import map_channels
from ictal.scoring.annotations import annotations_of
from ictal.scoring.scored_recording import RecordingInfo
from ictal.terminology.findings import EventFinding
from tests.helpers import recording
from tests.io.test_edf_file import Made, tals, write

RATE_HZ = 200
START = datetime(2019, 7, 1, 23, 59, 50, tzinfo=UTC)
LOUD_S = 40
"""When a mark begins in the signal; it lasts for a second."""


def event(start_s: float, duration_s: float = 1) -> EventFinding:
    return EventFinding("lpd", start_s, start_s + duration_s, None, None, None, None, None, (), duration_s)


def raw_of(seconds: int = 60, first_samp: int = 0, start: datetime | None = START) -> mne.io.RawArray:
    """Return a Raw that is silent but for the second from `LOUD_S` on, counted from its first sample."""
    samples = np.zeros((19, seconds * RATE_HZ))
    samples[:, LOUD_S * RATE_HZ : (LOUD_S + 1) * RATE_HZ] = 1e-4
    samples += np.random.default_rng(0).normal(0, 1e-6, samples.shape)
    raw = mne.io.RawArray(samples, mne.create_info(list(ELECTRODES), RATE_HZ, "eeg"), first_samp, verbose="error")
    return raw.set_meas_date(start)


def info_of(source) -> RecordingInfo:
    read = as_recording(source)
    return RecordingInfo.of(read, map_channels(read))


def loudness(raw) -> float:
    """Return how loud the only event of a Raw is, as a share of the mark."""
    (note,) = [one for one in raw.annotations if one["description"] == "ictal: LPD"]
    begin, stop = (round((note["onset"] - raw.first_time + extra) * RATE_HZ) for extra in (0, note["duration"]))
    return float(np.abs(raw.get_data()[:, begin:stop]).mean() / 1e-4)


@pytest.mark.parametrize("start", [START, START.astimezone(timezone(timedelta(hours=2))), None], ids=str)
@pytest.mark.parametrize("first_samp", [0, 12_345])
def test_an_event_is_at_its_samples_in_a_fif_that_begins_anywhere(start, first_samp, tmp_path):
    raw_of(60, first_samp, start and start.astimezone(UTC)).save(tmp_path / "a_raw.fif", verbose="error")
    raw = mne.io.read_raw_fif(tmp_path / "a_raw.fif", verbose="error")
    assert raw.first_samp == first_samp
    for source in (tmp_path / "a_raw.fif", raw):
        raw.set_annotations(annotations_of([event(LOUD_S)], info_of(source)))
        assert loudness(raw) == pytest.approx(1, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 39), st.integers(42, 59), st.integers(0, 5000))
def test_an_event_is_at_its_samples_in_a_raw_that_is_cropped_before_or_after(begin_s, stop_s, first_samp):
    whole = raw_of(60, first_samp)
    made = annotations_of([event(LOUD_S)], info_of(whole))
    before = whole.copy().crop(begin_s, stop_s).set_annotations(made)
    after = whole.copy().set_annotations(made).crop(begin_s, stop_s)
    assert [loudness(raw) for raw in (before, after)] == pytest.approx([1, 1], abs=0.01)


def test_what_lies_outside_a_cropped_raw_is_left_out_with_a_warning_of_mne():
    whole = raw_of()
    made = annotations_of([event(5), event(LOUD_S)], info_of(whole))
    with pytest.warns(RuntimeWarning, match="outside data range"):
        part = whole.copy().crop(30, 50).set_annotations(made)
    assert loudness(part) == pytest.approx(1, abs=0.01)


def test_an_event_is_at_its_time_in_an_edf(tmp_path):
    path = tmp_path / "night.edf"
    write_edf(path, replace(recording(60 * RATE_HZ), start=START.replace(tzinfo=None)))
    raw = mne.io.read_raw_edf(path, verbose="error")
    raw.set_annotations(annotations_of([event(LOUD_S)], info_of(path)))
    assert raw.annotations.orig_time == raw.info["meas_date"] == START
    assert raw.annotations.onset.tolist() == [LOUD_S]


def test_a_gap_that_mne_does_not_see_must_be_closed_for_its_samples(tmp_path):
    """MNE reads EDF+D as if there were no gaps: record 40 follows record 39, though it was recorded 30 s later."""
    steps = np.round(raw_of().get_data() * 1e7).astype(int).reshape(19, 60, RATE_HZ)  # of 0.1 µV
    signals = [Made(f"EEG {name}-REF", digital) for name, digital in zip(ELECTRODES, steps, strict=True)]
    onsets = [second if second < LOUD_S else second + 30 for second in range(60)]
    path = tmp_path / "gap.edf"
    write(path, signals, [tals(f"+{onset}") for onset in onsets], plus="EDF+D")
    known, late = info_of(path), event(LOUD_S + 30)
    assert known.gaps == ((LOUD_S, 30),)
    raw = mne.io.read_raw_edf(path, verbose="error")
    assert raw.times[-1] < 60
    raw.set_annotations(annotations_of([late], known, "closed"))
    assert loudness(raw) == pytest.approx(1, abs=0.01)
    assert annotations_of([late], known, "kept").onset.tolist() == [LOUD_S + 30]
    assert annotations_of([event(LOUD_S - 1)], known, "closed").onset.tolist() == [LOUD_S - 1]
    with pytest.raises(UsageError, match=r"gap\.edf: has gaps \(1\); say .* gaps='closed' for EDF\+D"):
        annotations_of([late], known)


def test_gaps_of_a_fif_are_samples_and_must_be_kept(tmp_path):
    raw = raw_of()
    raw.set_annotations(mne.Annotations(10, 20, "BAD_ACQ_SKIP", orig_time=START))
    known = info_of(raw)
    assert known.gaps == ((10, 20),)
    raw.set_annotations(annotations_of([event(LOUD_S)], known, "kept"))
    assert loudness(raw) == pytest.approx(1, abs=0.01)


def test_a_word_that_is_neither_is_refused_with_those_that_are():
    with pytest.raises(UnknownNameError, match="unknown value of gaps 'open'; known are: kept, closed"):
        annotations_of([], info_of(raw_of()), "open")
