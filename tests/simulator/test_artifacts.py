from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal as sp

from ictal.core.montage import CHANNELS
from ictal.core.windows import RATE_HZ, WINDOW_S, WINDOW_SAMPLES
from ictal.simulator.artifacts import (
    VALID_PAIRS,
    Artifacts,
    add_artifacts,
    damage,
    draw_artifacts,
    electrocardiogram,
    heartbeats,
)
from ictal.simulator.head import N_SITES, SITES
from tests.simulator.helpers import at, power, rms

MINUTES = WINDOW_S / 60
seeds = st.integers(0, 10_000)
BEATS = np.zeros(WINDOW_SAMPLES)
BEATS[100:-200:160] = 1  # 75 a minute


def added(seed=0, **artifacts):
    """Return the sum of the artifacts at the 21 sites, [21, time]."""
    return add_artifacts(np.random.default_rng(seed), Artifacts(**artifacts), WINDOW_SAMPLES, BEATS)


def share(rows, low_hz, high_hz):
    return power(rows, low_hz, high_hz).sum() / power(rows, 0, 100).sum()


def largest(rows, number):
    return set(np.argsort(rms(rows))[-number:])


@given(seeds)
def test_nothing_is_added_and_nothing_damaged_where_there_is_no_artifact(seed):
    assert not added(seed).any()
    samples = np.random.default_rng(seed).normal(size=(20, 500)).astype(np.float32)
    result = damage(np.random.default_rng(seed), Artifacts(), samples.copy())
    np.testing.assert_array_equal(result, samples)


# What is added


def test_blinks_are_short_positive_waves_over_the_front_as_many_as_asked():
    rows = [added(seed, blinks=12, blink_uv=100) for seed in range(20)]
    assert largest(rows[0], 2) == set(at("Fp1", "Fp2"))
    total = np.concatenate(rows, axis=1)
    assert total.min() > -1e-3
    assert rms(total)[at("O1", "O2")].max() < 0.01 * rms(total)[at("Fp1")].item()
    front = total[at("Fp1")[0]]
    assert front.max() > 60
    runs = np.diff(np.flatnonzero(np.diff((front > 1e-3).astype(int))))[::2] / RATE_HZ
    # 12 a minute over 20 x 50 s are 200, with Poisson's spread of 14; 6 % of them overlap another of 0.35 s
    assert 200 * 0.93 - 5 * 14 < len(runs) < 200 + 5 * 14
    # each lasts from 0.2 to 0.5 s
    assert 0.15 < np.median(runs) < 0.5


def test_gazes_are_boxes_of_opposite_sign_at_both_eyes():
    rows = added(1, gazes=20, blink_uv=100)
    assert largest(rows, 2) == set(at("F7", "F8"))
    np.testing.assert_allclose(rows[at("F7")], -rows[at("F8")], atol=1e-3)
    assert abs(rows[at("Cz", "Fz", "Pz")]).max() < 1e-3
    # to one side, to the other, or straight ahead
    level = rows[at("F8")[0]] / abs(rows[at("F8")]).max()
    assert (np.isclose(abs(level), 1, atol=1e-3) | np.isclose(level, 0, atol=1e-3)).mean() > 0.8


def test_muscle_is_fast_and_over_the_temples():
    rows = added(2, muscle_uv=10)
    assert share(rows, 20, 76) > 0.97
    sizes = np.mean([rms(added(seed, muscle_uv=10)) for seed in range(20)], axis=0)
    # electrodes differ by a factor whose logarithm has spread 0.5, so the mean of 20 is known to 13 %
    temples, vertex = at("T3", "T4", "F7", "F8"), at("Cz", "Pz", "Fz")
    assert sizes[temples].min() > 3 * sizes[vertex].max()
    assert sizes[at("T3", "T4")].mean() == pytest.approx(10, rel=0.5)


@pytest.mark.parametrize(("side", "names"), [(-1.0, "T3 T4"), (1.0, "T4 T3")])
def test_muscle_leans_to_its_side(side, names):
    sizes = np.mean([rms(added(seed, muscle_uv=10, muscle_side=side)) for seed in range(20)], axis=0)
    stronger, weaker = sizes[at(*names.split())]
    assert stronger > 2 * weaker


def test_muscle_is_tense_for_its_share_and_comes_in_bites_where_one_chews():
    def course(**traits):
        rows = np.concatenate([added(seed, muscle_uv=10, **traits)[at("T3", "T4")] for seed in range(6)], axis=1)
        return rms((rows / rms(rows)[:, None]).reshape(2, -1, 20)).mean(axis=0)  # of 0.1 s each

    relaxed, always = course(muscle_share=0.4), course()
    # between runs it falls to 0.15; a fifth of the level lies well between both
    on = relaxed > 0.5 * np.quantile(relaxed, 0.9)
    # share of 300 s in cycles of 11 s: 5 x 0.4 x 0.6 x sqrt(2/27) = 0.33
    assert on.mean() == pytest.approx(0.4, abs=0.33)
    assert np.log(relaxed).std() > 2 * np.log(always).std()
    chewing = course(chewing=True)
    frequency, density = sp.periodogram(chewing[:500] - chewing[:500].mean(), 10)
    assert 0.95 < frequency[density.argmax()] < 2.05


def test_pops_are_jumps_at_one_electrode_that_fall_off():
    rows = added(3, pops=6)
    touched = np.flatnonzero(abs(rows).max(axis=1))
    assert len(touched) == 1
    assert touched[0] < 19
    row = rows[touched[0]]
    jumps = np.flatnonzero(abs(np.diff(row)) > 40)
    assert len(jumps) == pytest.approx(6 * MINUTES, abs=5 * np.sqrt(6 * MINUTES))
    assert 60 <= abs(np.diff(row))[jumps].max() < 400
    # after three times the longest decay of 0.8 s, a twentieth is left
    end = jumps[-1] + 1 + int(2.4 * RATE_HZ)
    assert end >= WINDOW_SAMPLES or abs(row[end:]).max() < 0.06 * abs(row).max()


def test_movements_are_slow_and_large_and_over_within_seconds():
    rows = np.concatenate([added(seed, movements=4) for seed in range(6)], axis=1)
    assert share(rows, 0, 4) > 0.97
    assert abs(rows).max() > 50
    gone = (abs(rows) < 1e-2).all(axis=0)
    # 24 and more of 0.75 to 3 s and the ramp in 300 s
    assert 0.4 < gone.mean() < 0.98


@pytest.mark.parametrize("line_hz", [50.0, 60.0])
def test_the_mains_hum_at_their_frequency_differently_at_each_electrode(line_hz):
    rows = added(4, line_uv=5, line_hz=line_hz)
    assert share(rows, line_hz - 0.1, line_hz + 0.1) > 0.999
    amplitude = np.sqrt(2) * rms(rows)
    # log-normal with spread 0.8 about the median: of 21 sites its standard error is 1.25 x 0.8 / sqrt(21)
    assert np.log(np.median(amplitude)) == pytest.approx(np.log(5), abs=3 * 0.22)
    assert np.log(amplitude).std() > 0.3


def test_a_loose_electrode_drifts_and_hums_more():
    site = SITES.index("P4")
    rows = added(5, loose=site)
    assert set(np.flatnonzero(abs(rows).max(axis=1))) == {site}
    assert power(rows[site], 0, 2) > 0.97 * power(rows[site], 0, 100)
    assert rms(rows[site]) > 10
    tight, loose = added(5, line_uv=2), added(5, line_uv=2, loose=site)
    ratio = np.sqrt(power(loose, 59, 61) / power(tight, 59, 61))
    # other draws than without: compare the loose one with what it could have been
    assert power(loose, 59, 61).argmax() == site
    assert ratio[site] > 1


def test_the_heart_is_seen_at_its_beats_with_opposite_sign_on_both_sides():
    rows = added(6, heart_uv=20)
    left, right = rows[at("A1", "A2")]
    spikes = sp.find_peaks(right, height=0.7 * right.max(), distance=60)[0]
    np.testing.assert_allclose(spikes, np.flatnonzero(BEATS), atol=1)
    away = np.ones(WINDOW_SAMPLES, dtype=bool)
    for beat in np.flatnonzero(BEATS):
        away[max(beat - 15, 0) : beat + 16] = False
    assert abs(rows[:, away]).max() < 1e-3
    assert right.max() > 10
    assert (right - left).max() > right.max() * 0.5


def test_an_artery_under_an_electrode_beats_a_fifth_of_a_second_later():
    site = SITES.index("T5")
    rows = added(7, pulse=site)
    assert set(np.flatnonzero(abs(rows).max(axis=1))) == {site}
    peaks = sp.find_peaks(rows[site], height=12, distance=60)[0]
    np.testing.assert_allclose(peaks, np.flatnonzero(BEATS) + 0.2 * RATE_HZ, atol=1)
    assert power(rows[site], 0, 10) > 0.99 * power(rows[site], 0, 100)


def test_the_ventilator_moves_the_head_at_its_rate():
    rows = added(8, ventilator_uv=30)
    frequency, density = sp.periodogram(rows[at("O1")[0]].astype(float), RATE_HZ)
    assert 0.18 < frequency[density.argmax()] < 0.42
    assert share(rows, 0, 2.5) > 0.99
    size = rms(rows)
    # of breath^5, of which the mean square is 63/256, about 15 µV where the factor is one
    assert 3 < np.median(size) < 30


def test_drifts_are_slower_than_half_a_hertz_and_of_their_size():
    rows = np.concatenate([added(seed, drift_uv=12) for seed in range(5)], axis=1)
    assert share(rows, 0, 0.62) > 0.97
    # a band of 0.12 Hz is some 15 bins of 50 s: over 21 x 5 rows a standard deviation is known to 2 %
    assert rms(rows.reshape(-1)) == pytest.approx(12, rel=0.1)


# What is damaged


def noise(seed=0):
    return np.random.default_rng(seed).normal(0, 20, (len(CHANNELS), WINDOW_SAMPLES)).astype(np.float32)


@pytest.mark.parametrize("pair", VALID_PAIRS)
def test_a_bridge_makes_two_channels_nearly_equal(pair):
    rows = [CHANNELS.index(name) for name in pair]
    before = noise()
    after = damage(np.random.default_rng(0), Artifacts(bridged=tuple(rows)), before.copy())
    assert rms(after[rows[0]] - after[rows[1]]) == pytest.approx(
        0.02 * rms(before[rows[0]] - before[rows[1]]), rel=1e-3
    )
    np.testing.assert_allclose(after[rows].mean(axis=0), before[rows].mean(axis=0), atol=1e-4)
    others = [index for index in range(20) if index not in rows]
    np.testing.assert_array_equal(after[others], before[others])


def test_saturation_clips():
    before = noise()
    after = damage(np.random.default_rng(0), Artifacts(saturation_uv=25.0), before.copy())
    np.testing.assert_array_equal(after, np.clip(before, -25, 25))


@given(seeds, st.floats(0.001, 1))
def test_the_missing_share_is_one_run_of_nan_at_all_or_a_few_electrodes(seed, missing):
    before = noise()
    after = damage(np.random.default_rng(seed), Artifacts(missing=missing), before.copy())
    lacking = np.isnan(after)
    rows = np.flatnonzero(lacking.any(axis=1))
    assert len(rows) == len(CHANNELS) or (1 <= len(rows) <= 4 and rows.max() < 19)
    columns = np.flatnonzero(lacking.any(axis=0))
    assert len(columns) == round(missing * WINDOW_SAMPLES)
    assert (np.diff(columns) == 1).all()
    assert lacking[np.ix_(rows, columns)].all()
    np.testing.assert_array_equal(after[~lacking], before[~lacking])


# The heart


@given(seeds, st.floats(0.8, 2.4))
def test_the_heart_beats_at_its_rate(seed, heart_hz):
    beats = heartbeats(np.random.default_rng(seed), heart_hz, WINDOW_SAMPLES)
    assert set(np.unique(beats)) == {0.0, 1.0}
    # intervals vary by 3 %, of fibrillation by 20 %: over n beats by 0.2 sqrt(n) beats
    number = heart_hz * WINDOW_S
    assert beats.sum() == pytest.approx(number, abs=2 + 5 * 0.2 * np.sqrt(number))
    assert np.diff(np.flatnonzero(beats)).min() >= 0.4 * RATE_HZ / heart_hz - 1


def test_a_tenth_of_the_hearts_fibrillate():
    irregular = []
    for seed in range(400):
        gaps = np.diff(np.flatnonzero(heartbeats(np.random.default_rng(seed), 1.4, WINDOW_SAMPLES)))
        irregular.append(gaps.std() / gaps.mean() > 0.1)
    assert np.mean(irregular) == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / 400))


@given(seeds)
def test_the_electrocardiogram_has_a_spike_at_each_beat(seed):
    ekg = electrocardiogram(np.random.default_rng(seed), BEATS)
    beat = ekg[np.flatnonzero(BEATS)[:, None] + np.arange(-40, 80)].mean(axis=0)
    # at least 350 exp(-0.5 x 4) = 47 µV; noise of 12 µV over 61 beats leaves 1.5
    assert abs(beat).argmax() == pytest.approx(40, abs=2)
    assert abs(beat).max() > 35
    # the T wave, a quarter of a second later, has the same sign
    assert beat[40] * (beat[85:95].mean() - beat[0:20].mean()) > 0


# What is drawn


@given(seeds, st.booleans())
def test_what_is_drawn_can_be_added_and_damages_no_more_than_allowed(seed, heavy):
    rng = np.random.default_rng(seed)
    drawn = draw_artifacts(rng, heavy=heavy)
    for field in fields(Artifacts):
        value = getattr(drawn, field.name)
        if isinstance(value, float) and field.name != "muscle_side":
            assert value >= 0
    rows = add_artifacts(rng, drawn, 2000, BEATS[:2000])
    assert rows.shape == (N_SITES, 2000)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    after = damage(rng, drawn, noise()[:, :2000])
    assert np.isnan(after).mean() <= 0.3


def test_heavy_artifacts_are_heavier():
    light, heavy = (
        [rms(added_of(draw_artifacts(np.random.default_rng(seed), heavy=much), seed)).mean() for seed in range(60)]
        for much in (False, True)
    )
    # of 60 each with a log spread of about 0.7: the difference of two means is known to 0.13
    assert np.log(heavy).mean() > np.log(light).mean() + 3 * 0.13


def added_of(artifacts, seed):
    return add_artifacts(np.random.default_rng(seed), artifacts, 4000, BEATS[:4000])
