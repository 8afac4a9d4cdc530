import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sp

from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.windows import RATE_HZ
from ictal.errors import SimulationError
from ictal.simulator import timeline as module
from ictal.simulator.eeg import patient_of
from ictal.simulator.timeline import EDGE_S, QUIET, WEEK_S, simulate_recording, timeline
from tests.helpers import forget

SEED, PATIENT = 1, 0
MINUTES = 11
"""Of the recording that is looked at: eleven joins of blocks, and two of states."""
N_SAMPLES = MINUTES * 60 * RATE_HZ
CLEAR = {("lpd", "lpd"), ("gpd", "gpd"), ("lrda", "lrda"), ("grda", "grda")}


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return simulate_recording(SEED, PATIENT, MINUTES / 60).read()


def test_a_recording_has_the_channels_of_a_window_in_microvolts_and_lacks_no_sample(samples):
    recording = simulate_recording(SEED, PATIENT, MINUTES / 60)
    assert (recording.channels, recording.rate_hz, recording.n_samples) == (CHANNELS, RATE_HZ, N_SAMPLES)
    assert (samples.shape, samples.dtype) == ((len(CHANNELS), N_SAMPLES), np.float32)
    assert np.isfinite(samples).all()
    assert (samples.std(axis=1) > 2).all()
    assert (samples.std(axis=1) < 1000).all()


@given(st.lists(st.integers(0, N_SAMPLES), min_size=1, max_size=4).map(sorted))
def test_segments_are_what_one_reading_gives(samples, cuts):
    recording = simulate_recording(SEED, PATIENT, MINUTES / 60)
    start = max(cuts[0] - 30_000, 0)
    parts = [recording.read(a, b) for a, b in pairwise([start, *cuts])]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), samples[:, start : cuts[-1]])


def test_samples_do_not_depend_on_what_was_read_before_nor_on_the_length(samples):
    forget(module)
    at = slice(299 * RATE_HZ, 302 * RATE_HZ)
    np.testing.assert_array_equal(simulate_recording(SEED, PATIENT, 24).read(at.start, at.stop), samples[:, at])
    for seed, patient in ((SEED, PATIENT + 1), (SEED + 1, PATIENT)):
        other = simulate_recording(seed, patient, 0.1).read(0, RATE_HZ)
        assert not np.array_equal(other, samples[:, :RATE_HZ])


def test_reading_stops_at_the_end_and_nothing_read_can_change_the_recording(samples):
    recording = simulate_recording(SEED, PATIENT, 0.01)
    assert recording.duration_s == 36
    read = recording.read(7000, 9000)
    assert read.shape == (len(CHANNELS), 200)
    read[:] = 0
    np.testing.assert_array_equal(recording.read(7000, 7200), samples[:, 7000:7200])
    assert recording.read(500, 500).shape == (len(CHANNELS), 0)


# Joins


def test_there_is_no_step_where_blocks_and_states_meet(samples):
    steps = abs(np.diff(samples[:19], axis=1))
    joins = np.arange(1, MINUTES) * 60 * RATE_HZ
    at, elsewhere = steps[:, joins - 1], np.delete(steps, joins - 1, axis=1)
    # 190 steps: the chance that one of them is beyond the 99.999 % of a like distribution is 0.2 %.
    assert (at <= np.quantile(elsewhere, 0.99999, axis=1)[:, None]).all()
    assert np.sqrt((at**2).mean()) < 2 * np.sqrt((elsewhere**2).mean())


def test_a_block_has_no_edge_that_the_filter_would_show(samples, monkeypatch):
    # Blocks of two minutes have no join at 60 s. The samples agree within what the slowest high-pass keeps
    # (3e-6, see BEFORE_S) of slow potentials of 10 mV before it, below the 0.05 µV of half an EDF step.
    monkeypatch.setattr(module, "BLOCK_S", 120)
    forget(module)
    longer = simulate_recording(SEED, PATIENT, MINUTES / 60).read(55 * RATE_HZ, 65 * RATE_HZ)
    forget(module)
    np.testing.assert_allclose(longer, samples[:, 55 * RATE_HZ : 65 * RATE_HZ], atol=0.03)


def test_the_power_stays_while_one_state_fades_into_the_next():
    # Sines and cosines: of two noises of unit power, the sum has unit power throughout.
    step = module.STATE_S * RATE_HZ
    first, second = (module._state(SEED, PATIENT, number)[-1] for number in (0, 1))
    power = np.square(first[step:]).mean() + np.square(second[: module.FADE_S * RATE_HZ]).mean()
    assert power == pytest.approx(np.square(first[2000:-2000]).mean(), rel=0.5)
    assert abs(first[-1]) < 0.1
    assert abs(second[0]) < 0.1


@pytest.mark.parametrize("patient", [0, 1, 2])
def test_the_heart_goes_on_over_all_joins(patient):
    ekg = simulate_recording(0, patient, 0.1).read()[-1]
    heart_hz = patient_of(0, patient).heart_hz
    expected = module._beat_samples(0, patient)
    expected = expected[(expected > 100) & (expected < len(ekg) - 100)]
    steep = sp.sosfiltfilt(sp.butter(2, (8, 40), "band", fs=RATE_HZ, output="sos"), ekg)
    at_beats = np.array([abs(steep[at - 6 : at + 7]).max() for at in expected])
    assert at_beats.std() < 0.15 * at_beats.mean()  # one size over the joins of blocks and states
    peaks, _ = sp.find_peaks(abs(steep), height=0.6 * at_beats.mean(), distance=0.35 * RATE_HZ / heart_hz)
    assert len(peaks) == pytest.approx(len(expected), abs=2)
    intervals = np.diff(expected) * heart_hz / RATE_HZ
    assert (intervals > 0.3).all()
    assert (intervals < 2.5).all()


# Episodes


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(0, 500))
def test_episodes_follow_each_other_with_quiet_times_between(seed, patient):
    episodes = timeline(seed, patient)
    assert [episode.number for episode in episodes] == list(range(len(episodes)))
    for one, other in pairwise(episodes):
        assert other.onset_s - one.end_s >= 29.9
    for episode in episodes:
        low, high = (20, 240) if "seizure" in episode.kind else (60, 3600)
        assert low - 0.01 <= episode.duration_s <= high + 0.01
        assert episode.kind != ("other", "other")
        assert len(episode.title) <= 40
    # The share of a week's time that is quiet, with room for chance: some 300 episodes of widely spread lengths.
    share = 1 - sum(episode.duration_s for episode in episodes) / WEEK_S
    assert QUIET[0] - 0.12 < share < QUIET[1] + 0.12


def test_titles_name_the_patterns_and_how_sure_they_are():
    titles = {episode.kind: episode.title for patient in range(5) for episode in timeline(0, patient)}
    assert titles["lpd", "lpd"] == "LPD"
    assert titles["seizure", "seizure"] == "Seizure"
    assert titles["seizure", "lpd"] == "Seizure or LPD"
    assert titles["gpd", "other"] == "possible GPD"


def test_annotations_are_the_episodes_in_the_order_of_time_and_end_with_the_recording():
    notes = simulate_recording(SEED, PATIENT, 2).annotations
    episodes = timeline(SEED, PATIENT)
    assert [note.text for note in notes] == [episode.title for episode in episodes[: len(notes)]]
    assert [note.onset_s for note in notes] == sorted(note.onset_s for note in notes)
    within = next(episode for episode in episodes if episode.duration_s > 60)
    cut = simulate_recording(SEED, PATIENT, (within.onset_s + 30) / 3600)
    assert cut.annotations[-1].onset_s + cut.annotations[-1].duration_s == cut.duration_s


@pytest.mark.parametrize("number", range(3))
def test_a_pattern_is_there_within_its_annotation_and_nowhere_else(number):
    episode = timeline(SEED, PATIENT)[number]
    rendered = module._episode(SEED, PATIENT, number)
    assert rendered.shape[1] == round((episode.duration_s + 2 * EDGE_S) * RATE_HZ)
    # Half of the ramp, 0.25 s, and the delay from front to back, 0.15 s, reach beyond the annotation.
    beyond = round((EDGE_S - 0.5) * RATE_HZ)
    assert not rendered[:, :beyond].any()
    assert not rendered[:, -beyond:].any()
    thirds = np.array_split(rendered, 3, axis=1)
    assert all(third.std() > 0.1 * rendered.std() for third in thirds)


def test_the_rhythm_of_a_clear_pattern_rises_from_the_background_when_it_begins():
    def is_clear(episode) -> bool:
        return episode.kind in CLEAR and 10 < episode.onset_s < 240 and episode.pattern.prevalence == 1

    patient = next(number for number in range(100) if is_clear(timeline(SEED, number)[0]))
    episode, samples = timeline(SEED, patient)[0], simulate_recording(SEED, patient, 0.1).read()
    strongest = int(module._episode(SEED, patient, 0)[: len(ELECTRODES)].std(axis=1).argmax())
    onset = round(episode.onset_s * RATE_HZ)
    frequency, before = sp.welch(samples[strongest, : onset - RATE_HZ], RATE_HZ, nperseg=1600)
    within = sp.welch(samples[strongest, onset + RATE_HZ : onset + 60 * RATE_HZ], RATE_HZ, nperseg=1600)[1]
    band = abs(frequency - episode.pattern.frequency_hz) < 0.3
    assert within[band].mean() > 3 * before[band].mean()


# Refusals


@pytest.mark.parametrize("hours", [0, -1, 168.1, math.inf, -math.inf, math.nan])
def test_impossible_hours_are_refused_with_the_value_and_what_is_allowed(hours):
    with pytest.raises(SimulationError, match=f"hours is {hours:g}; allowed is more than 0 and at most 168"):
        simulate_recording(0, 0, hours)


@pytest.mark.parametrize(("seed", "patient", "name"), [(-1, 0, "seed"), (0, -2, "patient")])
def test_a_negative_number_is_refused(seed, patient, name):
    with pytest.raises(SimulationError, match=f"{name} is -.; allowed are whole numbers from 0"):
        simulate_recording(seed, patient, 1)


@pytest.mark.parametrize(("hours", "duration_s"), [(1e-9, 1), (0.1, 360), (1 / 3, 1200), (24, 86_400), (168, WEEK_S)])
def test_a_recording_lasts_whole_seconds(hours, duration_s):
    assert simulate_recording(0, 0, hours).duration_s == duration_s
