import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from ictal.core.montage import CHANNELS
from ictal.core.recording import Recording
from ictal.core.windows import RATE_HZ
from ictal.data import simulated_stream as streams
from ictal.data.simulated_stream import PATIENT_SPACING, WINDOWS_PER_PATIENT, Stream, StreamSettings, patient_number
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.simulator.eeg import patient_of
from ictal.simulator.fitted_parameters import KINDS, MANY, MANY_SIZES
from tests.helpers import forget

INPUT = StandardiseSettings(band_hz=(0.5, 20.0))
STREAM = Stream(StreamSettings(), INPUT)


def same(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_window_depends_on_seed_epoch_and_number_alone():
    first = STREAM.window(2, 70)
    np.random.default_rng(0)
    STREAM.window(0, 1)
    forget(streams)
    assert same(STREAM.window(2, 70), first)
    others = [STREAM.window(2, 71), STREAM.window(3, 70), Stream(StreamSettings(seed=1), INPUT).window(2, 70)]
    assert not any(same(other, first) for other in others)
    signal, target = first
    assert signal.dtype == target.dtype == np.float32
    assert signal.shape[1] in [round(RATE_HZ * seconds) for seconds in STREAM.settings.lengths_s]
    assert target.sum() == pytest.approx(1, abs=1e-6)
    assert target.min() > 0


def test_a_window_is_made_as_that_of_a_file(monkeypatch):
    made = []

    def compose(*args):
        made.append(streams_compose(*args))
        made[-1][0][3, :300] = np.nan  # a run that a file lacks
        return made[-1]

    streams_compose = streams.compose
    monkeypatch.setattr(streams, "compose", compose)
    signal, _ = STREAM.window(0, 5)
    file = Recording.from_array(made[0][0], CHANNELS, RATE_HZ, "file")
    np.testing.assert_array_equal(signal, standardise(file, INPUT).signal)


@given(block=st.integers(0, 5), within=st.integers(0, 4 * PATIENT_SPACING - 1))
def test_patients_have_four_windows_in_different_batches(block, within):
    number = block * WINDOWS_PER_PATIENT * PATIENT_SPACING + within
    own = [
        n
        for n in range((block + 1) * WINDOWS_PER_PATIENT * PATIENT_SPACING + 9)
        if patient_number(n) == patient_number(number)
    ]
    assert len(own) == WINDOWS_PER_PATIENT
    assert {*np.diff(own)} == {PATIENT_SPACING}


def test_patients_are_their_epoch_s_and_none_is_of_the_data_set():
    known = {streams._patient(seed, epoch, n).heart_hz for seed in (0, 1) for epoch in (0, 1) for n in range(8)}
    assert len(known) == 32
    assert not known & {patient_of(seed, n).heart_hz for seed in (0, 1) for n in range(32)}


@given(even=st.floats(0, 1))
def test_kinds_are_drawn_evenly_as_often_as_is_said(even):
    kinds = StreamSettings(even=even).kinds
    weights = [8 if kind == ("other", "other") else 4 if kind[0] == kind[1] else 1 for kind in KINDS]
    evenly = np.array(weights) / (8 + 4 * 5 + 15)
    np.testing.assert_allclose(kinds, even * evenly + (1 - even) * MANY, atol=1e-12)
    assert kinds.sum() == pytest.approx(1)


@examples(max_examples=5)
@given(number=st.integers(0, 1000))
def test_votes_are_those_of_a_panel_of_many_on_the_same_window(number):
    settings = StreamSettings(lengths_s=(10.0,), length_shares=(2.0,))
    signal, votes = Stream(settings, INPUT, with_votes=True).window(0, number)
    assert np.array_equal(votes, votes.astype(int))
    assert votes.sum() in MANY_SIZES
    assert np.array_equal(signal, Stream(settings, INPUT).window(0, number)[0])
    assert signal.shape == (20, 2000)


def test_without_difficult_windows_the_stream_is_that_of_before():
    # That of the last version without the setting, apart from standardise.max_masked and notch_hz.
    assert STREAM.fingerprint() == "c77b3f3c323ec7e7"
    none = Stream(StreamSettings(difficult=0.0), StandardiseSettings(band_hz=(0.5, 20.0)))
    some = Stream(StreamSettings(difficult=0.5), INPUT)
    assert none.fingerprint() == STREAM.fingerprint() != some.fingerprint()
    assert same(none.window(0, 3), STREAM.window(0, 3))


def test_all_windows_are_difficult_if_that_is_said(monkeypatch):
    monkeypatch.setattr(streams, "compose", None)  # what makes ordinary windows
    stream = Stream(StreamSettings(difficult=1.0), INPUT)
    first = stream.window(0, 3)
    forget(streams)
    assert same(stream.window(0, 3), first)
    assert first[1].sum() == pytest.approx(1, abs=1e-6)


def test_the_fingerprint_tells_streams_apart():
    prints = [
        STREAM.fingerprint(),
        Stream(StreamSettings(seed=1), INPUT).fingerprint(),
        Stream(StreamSettings(), StandardiseSettings()).fingerprint(),
        Stream(StreamSettings(), INPUT, with_votes=True).fingerprint(),
    ]
    assert len({*prints}) == 4
    assert prints[0] == Stream(StreamSettings(), INPUT).fingerprint()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lengths_s": (9.0, 12.0, 16.0)}, "lengths_s is .9.0.*allowed are 10 to 50 s"),
        ({"lengths_s": (), "length_shares": ()}, "lengths_s is"),
        ({"length_shares": (1.0,)}, "length_shares is .1.0.; allowed are 3 numbers"),
        ({"length_shares": (0.0, 0.0, 0.0)}, "not all 0"),
        ({"windows": 0}, "windows"),
        ({"difficult": 1.5}, "difficult"),
    ],
)
def test_settings_that_make_no_stream_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        StreamSettings(**values)
