from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal as sp

from ictal.core.windows import RATE_HZ, WINDOW_S, WINDOW_SAMPLES
from ictal.errors import SimulationError
from ictal.simulator.head import N_SITES, POSITIONS, SITES
from ictal.simulator.patterns import FAST, RANGES, Pattern, place_between, render
from tests.simulator.helpers import at, plain_head, power, rms

ALWAYS = {"onset_s": -1e4, "offset_s": 1e4}
C3 = SITES.index("C3")
WAVE = Pattern(
    strength=1.0,
    frequency_hz=2.0,
    jitter=0.0,
    trend=0.0,
    periodic=0.0,
    duration_s=0.1,
    phases=1,
    polarity=1,
    after_wave=0.0,
    harmonic=0.0,
    irregular=0.0,
    skew=0.0,
    amplitude_jitter=0.0,
    prevalence=1.0,
    bout_s=5.0,
    centre=tuple(POSITIONS[C3]),
    side=-1,
    contralateral=0.0,
    spread_rad=0.5,
    lag_s=0.0,
    fast=0.0,
    rhythmic=0.0,
    growth=0.0,
    **ALWAYS,
)
"""A steady 2-Hz sinusoid over C3."""
DISCHARGES = replace(WAVE, periodic=1.0, frequency_hz=1.0)
SIX_S = slice(600, 1800)


def made(pattern, seed=1, n_samples=WINDOW_SAMPLES):
    return render(np.random.default_rng(seed), pattern, plain_head(), n_samples)


def course(pattern, seed=1, n_samples=WINDOW_SAMPLES):
    """Return the wave as the site above it sees it, [time], upright and with the highest peak being one."""
    rendered = made(pattern, seed, n_samples)
    row = rendered.signal[C3].astype(float)
    row *= np.sign(row @ rendered.course) * pattern.polarity  # a tilted patch is seen upside down
    return row / row.max()


patterns = st.builds(
    Pattern,
    **{
        name: st.integers(low, high) if name == "phases" else st.floats(low, high)
        for name, (low, high) in RANGES.items()
    },
    onset_s=st.floats(-50, 20),
    offset_s=st.floats(25, 100),
    centre=st.sampled_from([tuple(place) for place in POSITIONS[:19]]),
    side=st.sampled_from((-1, 1)),
    polarity=st.sampled_from((-1, 1)),
)


# All patterns


@given(patterns, st.integers(0, 10_000))
def test_any_allowed_pattern_is_rendered_to_unit_rms_where_it_is_largest(pattern, seed):
    result = made(pattern, seed, 6000)
    assert result.signal.shape == (N_SITES, 6000)
    assert result.signal.dtype == np.float32
    assert np.isfinite(result.signal).all()
    # a short run within few bouts may miss the 30 s altogether
    assert rms(result.signal).max() == pytest.approx(1, rel=1e-4) or not result.there.any()
    assert result.there.shape == (6000,)
    assert result.there.min() > -1e-9
    assert result.there.max() < 1 + 1e-9
    assert (np.diff(result.cycles_s) > 0).all()
    assert result.course.shape == (6000,)
    assert np.isfinite(result.course).all()


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("where", [0, 1])
def test_an_impossible_value_is_refused_with_its_name_value_and_range(name, where):
    low, high = RANGES[name]
    value = (low - 1, high + 1)[where]
    with pytest.raises(SimulationError) as error:
        replace(WAVE, **{name: value})
    assert str(error.value) == f"{name} is {value:g}; allowed is {low:g} to {high:g}"
    assert getattr(replace(WAVE, **{name: RANGES[name][where]}), name) == RANGES[name][where]


def test_no_number_is_refused_as_well():
    with pytest.raises(SimulationError, match=r"frequency_hz is nan; allowed is 0\.3 to 12"):
        replace(WAVE, frequency_hz=float("nan"))


@pytest.mark.parametrize("side", [0, 2])
def test_a_side_is_left_or_right_and_a_polarity_negative_or_positive(side):
    with pytest.raises(SimulationError, match=rf"side is {side}; allowed are -1 \(left\) and 1 \(right\)"):
        replace(WAVE, side=side)
    with pytest.raises(SimulationError, match=rf"polarity is {side}; allowed are -1 \(negative\) and 1 \(positive\)"):
        replace(WAVE, polarity=side)


def test_a_pattern_ends_after_it_begins():
    with pytest.raises(SimulationError, match="offset_s is 3; it must come after onset_s, 7"):
        replace(WAVE, onset_s=7, offset_s=3)


def test_every_numeric_modifier_has_a_range():
    assert {field.name for field in fields(Pattern)} - set(RANGES) == {
        "onset_s",
        "offset_s",
        "centre",
        "side",
        "polarity",
    }


# Course over time


@pytest.mark.parametrize("frequency_hz", [0.5, 1.5, 3, 8])
@pytest.mark.parametrize("periodic", [0, 1])
def test_frequency_is_the_number_of_cycles_a_second(frequency_hz, periodic):
    # two Gaussian bumps are apart where they are at most 0.4 of the cycle
    pattern = replace(WAVE, frequency_hz=frequency_hz, periodic=periodic, duration_s=min(0.1, 0.3 / frequency_hz))
    peaks, _ = sp.find_peaks(course(pattern), height=0.5)
    assert len(peaks) == pytest.approx(frequency_hz * WINDOW_S, abs=1)
    cycles = made(pattern).cycles_s
    # every cycle stands at a peak of the potential, but for rounding to a sample; those at the rim may be cut
    inside = cycles[(cycles > 0.5) & (cycles < WINDOW_S - 0.5)]
    nearest = abs(inside[:, None] - peaks / RATE_HZ).min(axis=1)
    assert nearest.max() <= 1.01 / RATE_HZ


@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.3, 0.7])
def test_jitter_is_the_variation_of_the_intervals(jitter):
    intervals = np.diff(made(replace(DISCHARGES, jitter=jitter), n_samples=400_000).cycles_s)
    # 2000 intervals, a little alike: 2 % each
    assert intervals.std() / intervals.mean() == pytest.approx(jitter, rel=0.1, abs=1e-9)
    assert intervals.mean() == pytest.approx(1, abs=0.02 + 0.05 * jitter)


@pytest.mark.parametrize("trend", [-0.8, 0.5, 1.2])
@pytest.mark.parametrize("times", [(-1e4, 1e4), (10.0, 45.0)])
def test_trend_is_the_log_of_the_last_rate_over_the_first(trend, times):
    cycles = made(replace(WAVE, frequency_hz=3, trend=trend, onset_s=times[0], offset_s=times[1])).cycles_s
    first, last = max(times[0], 0), min(times[1], WINDOW_S)
    rate = 1 / np.diff(cycles)
    middle = (cycles[:-1] + cycles[1:]) / 2
    share = (middle - first) / (last - first)
    inside = (share > 0) & (share < 1)
    # the rate of an interval is that at its beginning: half a cycle's share of the trend apart
    expected = 3 * np.exp(trend * share[inside])
    tolerance = np.exp(abs(trend) / 2 / (last - first) / min(3, 3 * np.exp(trend))) - 1 + 1e-9
    np.testing.assert_allclose(rate[inside], expected, rtol=1.5 * tolerance)
    assert np.log(rate[inside][-1] / rate[inside][0]) == pytest.approx(trend, rel=0.05)


def test_periodic_is_with_and_rhythmic_is_without_intervals_between():
    rows = [made(replace(WAVE, frequency_hz=1, periodic=share)).course for share in (0, 0.25, 0.5, 0.75, 1)]
    values = [(abs(row) < 0.4 * abs(row).max()).mean() for row in rows]
    assert values == sorted(values)
    # of a sinusoid, a share of 2/pi arcsin(h) lies below the part h of its height: a third below the half,
    # a quarter below two fifths; of a 0.1-s discharge each second, nine tenths
    assert 2 / np.pi * np.arcsin(0.4) - 0.02 < values[0] < 2 / np.pi * np.arcsin(0.5) + 0.02
    assert values[-1] > 0.8
    flat = (abs(course(DISCHARGES)) < 0.05).mean()
    assert flat > 0.7
    assert (abs(course(WAVE)) < 0.05).mean() == pytest.approx(2 / np.pi * np.arcsin(0.05), abs=0.02)


def _above_half(row, peak):
    below = np.flatnonzero(row < 0.5 * row[peak])
    return (below[below > peak].min(initial=len(row)) - below[below < peak].max(initial=0)) / RATE_HZ


@pytest.mark.parametrize("duration_s", [0.04, 0.1, 0.25, 0.4])
@pytest.mark.parametrize("phases", [1, 2, 3])
def test_duration_is_the_width_of_the_main_phase(duration_s, phases):
    row = course(replace(DISCHARGES, duration_s=duration_s, phases=phases, frequency_hz=0.4))
    widths = [_above_half(row, peak) for peak in sp.find_peaks(row, height=0.8)[0]]
    # at half its height, a Gaussian bump whose foot is 2.5 standard deviations long is 2.355 / 2.5 of it; discharges
    # differ by up to 14 %, and a sample is 5 ms; between two phases of the other sign it is up to a fifth narrower
    assert np.median(widths) == pytest.approx(duration_s, rel=0.25, abs=0.005)
    assert min(widths) > 0.7 * duration_s - 0.005
    assert max(widths) < 1.2 * duration_s + 0.005


@pytest.mark.parametrize("phases", [1, 2, 3, 4])
def test_phases_are_extrema_of_alternating_sign(phases):
    row = course(replace(DISCHARGES, phases=phases, frequency_hz=0.5))
    cycles = made(replace(DISCHARGES, phases=phases, frequency_hz=0.5)).cycles_s
    counts = []
    for cycle in cycles[(cycles > 1) & (cycles < WINDOW_S - 1.5)]:
        piece = row[round((cycle - 0.6) * RATE_HZ) : round((cycle + 1) * RATE_HZ)]
        extrema = np.sort(np.concatenate([sp.find_peaks(sign * piece, height=0.2)[0] for sign in (1, -1)]))
        assert (np.diff(np.sign(piece[extrema])) != 0).all()
        counts.append(len(extrema))
        assert piece[extrema].max() == pytest.approx(piece.max())
    assert set(counts) == {phases}


@pytest.mark.parametrize("after_wave", [0.25, 0.75])
def test_the_slow_wave_after_a_discharge_has_the_other_sign_and_its_part_of_the_height(after_wave):
    plain, with_wave = (course(replace(DISCHARGES, frequency_hz=0.4, after_wave=size)) for size in (0.0, after_wave))
    # Its foot takes up to a sixth from the main phase.
    assert plain.min() > -0.01
    assert with_wave.min() == pytest.approx(-after_wave, rel=0.2)
    assert power(with_wave, 0.3, 3) > 1.2 * power(plain, 0.3, 3)


def test_skew_steepens_the_rise_or_the_fall_of_a_wave():
    for skew in (-0.6, 0.6):
        slope = np.diff(made(replace(WAVE, skew=skew)).course)
        assert np.sign(slope.max() + slope.min()) == np.sign(skew)
        assert max(slope.max() / -slope.min(), -slope.min() / slope.max()) > 1.5


def test_polarity_is_the_sign_of_the_main_phase():
    one, other = (made(replace(DISCHARGES, polarity=sign)).signal for sign in (-1, 1))
    np.testing.assert_array_equal(one, -other)


@pytest.mark.parametrize("times", [(-500.0, -100.0), (200.0, 300.0)])
def test_a_pattern_that_was_over_before_or_begins_after_is_not_there(times):
    result = made(replace(WAVE, onset_s=times[0], offset_s=times[1]))
    assert not result.signal.any()
    assert not result.there.any()


def test_skew_takes_a_wave_away_from_a_sinusoid_and_leaves_its_rate():
    harmonics = [power(course(replace(WAVE, skew=skew)), 3.5, 20) for skew in (0, 0.3, 0.6)]
    assert harmonics == sorted(harmonics)
    assert harmonics[0] < 1e-3 * harmonics[2]
    for skew in (-0.6, 0.6):
        crossings = np.flatnonzero(np.diff(np.signbit(course(replace(WAVE, skew=skew)) - 0.5)))
        assert len(crossings) / 2 == pytest.approx(2 * WINDOW_S, abs=1)


@pytest.mark.parametrize("spread", [0.0, 0.2, 0.4])
def test_amplitude_jitter_is_the_variation_from_cycle_to_cycle(spread):
    row = course(replace(DISCHARGES, amplitude_jitter=spread), n_samples=100_000)
    peaks = row[sp.find_peaks(row, distance=100)[0]]
    # 500 peaks: 3 % of the spread each; the grid of samples is 5 ms in a bump of 40: at most 0.2 % of its height
    assert np.log(peaks).std() == pytest.approx(spread, rel=5 * 0.032, abs=0.005)


@pytest.mark.parametrize("prevalence", [0.1, 0.4, 0.8])
def test_prevalence_is_the_share_of_time_in_runs_of_its_duration(prevalence):
    result = made(replace(WAVE, prevalence=prevalence, bout_s=3), n_samples=400_000)
    n_cycles = 2000 / (1.1 * 3 / prevalence)
    # see the switch: two sums of exponentials
    error = prevalence * (1 - prevalence) * np.sqrt(2 / n_cycles)
    assert result.there.mean() == pytest.approx(prevalence, abs=5 * error)
    row = rms(result.signal[C3].reshape(-1, 100))
    here, gone = (
        (result.there.reshape(-1, 100) > 0.99).all(axis=1),
        (result.there.reshape(-1, 100) < 1e-6).all(axis=1),
    )
    assert row[here].mean() > 100 * row[gone].mean()


def test_a_pattern_of_prevalence_one_is_continuous():
    assert (made(WAVE).there == 1).all()


@pytest.mark.parametrize("periodic", [0, 1])
def test_onset_and_offset_are_when_it_begins_and_ends(periodic):
    result = made(replace(WAVE, periodic=periodic, frequency_hz=3, onset_s=12.0, offset_s=31.0))
    time = np.arange(WINDOW_SAMPLES) / RATE_HZ
    ramp_s = 0.26  # half of the ramp of half a second
    before, after = time < 12 - ramp_s, time > 31 + ramp_s
    within = (time > 12 + ramp_s) & (time < 31 - ramp_s)
    assert abs(result.there[before | after]).max() < 1e-9
    assert result.there[within].min() > 1 - 1e-9
    assert abs(result.signal[:, before | after]).max() < 1e-6
    assert rms(result.signal[C3, within]) == pytest.approx(np.sqrt(50 / 19), rel=0.1)


# Course over the head


@pytest.mark.parametrize("side", [-1, 1])
def test_a_focal_pattern_is_largest_where_its_centre_is(side):
    for name in ("F3", "T3", "P3", "O1"):
        place = POSITIONS[SITES.index(name)] * (-side, 1, 1)
        # without a shift of the electrodes the sources' tilt (0.35 rad) is all that moves the largest
        sizes = np.mean(
            [rms(made(replace(WAVE, centre=tuple(place), spread_rad=0.2), seed).signal) for seed in range(8)], 0
        )
        assert POSITIONS[sizes[:19].argmax()] == pytest.approx(place, abs=1e-9)


def test_contralateral_is_the_other_sides_share():
    left, right = SITES.index("T3"), SITES.index("T4")
    shares = []
    for share in (0.0, 0.3, 0.7, 1.0):
        signal = made(replace(WAVE, contralateral=share, centre=tuple(POSITIONS[left]))).signal.astype(float)
        shares.append(signal[right] @ signal[left] / (signal[left] @ signal[left]))
    # One side alone is seen on the other as the return of its current, small and of the other sign.
    assert -0.3 < shares[0] < 0.1
    assert shares == sorted(shares)
    # Two equal patches have equal fields, but for the sources' lattice, which is no mirror image of itself.
    assert shares[-1] == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("lag_s", [-0.1, 0.06, 0.2])
def test_lag_is_the_delay_from_front_to_back(lag_s):
    pattern = replace(DISCHARGES, jitter=0.2, duration_s=0.08, lag_s=lag_s, spread_rad=0.8)
    for seed in range(4):
        signal = made(pattern, seed).signal.astype(float)
        front, back = signal[SITES.index("F3")], signal[SITES.index("P3")]
        correlation = sp.correlate(back, front)
        found = sp.correlation_lags(len(back), len(front))[correlation.argmax()] / RATE_HZ
        # The patches are half of the delay before and after the middle one, which both sites see as well; what a site
        # sees of the others with opposite sign pushes its peak away from theirs.
        assert np.sign(found) == np.sign(lag_s)
        assert 0.4 * abs(lag_s) <= abs(found) <= 1.25 * abs(lag_s) + pattern.duration_s


def test_without_lag_all_sites_move_together():
    signal = made(replace(DISCHARGES, spread_rad=1.2)).signal
    # one course times a field: a matrix of rank one
    values = np.linalg.svd(signal.astype(float), compute_uv=False)
    assert values[1] < 1e-5 * values[0]


def test_spread_is_how_far_it_reaches():
    reached = [rms(made(replace(WAVE, spread_rad=spread)).signal).mean() for spread in (0.2, 0.5, 0.9)]
    assert reached == sorted(reached)
    assert reached[2] > 1.3 * reached[0]


@pytest.mark.parametrize("periodic", [0, 1])
def test_fast_is_superimposed_fast_activity(periodic):
    rows = [made(replace(WAVE, periodic=periodic, fast=fast)).signal[C3] for fast in (0.0, 0.4, 1.0)]
    # carriers of 12 to 22 Hz with a width of 3 Hz
    sizes = [power(row, 9, 28) / power(row, 0.5, 100) for row in rows]
    assert sizes[0] < sizes[1] < sizes[2]
    if not periodic:
        assert sizes[0] < 1e-4
        # FAST times the carrier times the wave's mean magnitude, 2/pi, against the wave's 1/2
        expected = (FAST * 2 / np.pi) ** 2
        added = power(rows[2], 9, 28) / power(rows[2], 1, 4) / 2
        # a carrier of 3 Hz width is 150 bins and more in 50 s; part of it lies outside of the band
        assert added == pytest.approx(expected, rel=5 / 150**0.5)


def test_rhythmic_adds_a_slow_wave_under_discharges_and_nothing_to_a_wave():
    plain, more = (course(replace(DISCHARGES, rhythmic=size)) for size in (0.0, 1.0))
    assert power(more, 0.9, 1.1) / more.var() > 1.5 * power(plain, 0.9, 1.1) / plain.var()
    assert (abs(more) < 0.05).mean() < 0.5 * (abs(plain) < 0.05).mean()
    same = [made(replace(WAVE, rhythmic=size)).signal for size in (0.0, 1.0)]
    np.testing.assert_array_equal(*same)


def test_growth_is_how_much_smaller_it_begins():
    pattern = replace(WAVE, growth=0.8, onset_s=0.0, offset_s=50.0)
    signal = made(pattern).signal
    start, end = rms(signal[:, 400:1200]), rms(signal[:, -1200:-400])
    # 0.2 + 0.8 course: 0.264 around 4 s against 0.936 around 46 s, where it begins in the middle alone
    assert start[C3] / end[C3] < 1.05 * 0.264 / 0.936
    around = at("F3", "P3")
    assert (start[around] / start[C3]).mean() < 0.9 * (end[around] / end[C3]).mean()
    steady = made(replace(pattern, growth=0.0)).signal
    np.testing.assert_allclose(rms(steady[:, 400:1200]), rms(steady[:, -1200:-400]), rtol=0.02)


@given(st.integers(0, 1000), st.sampled_from((-1, 1)))
def test_a_place_lies_among_its_electrodes_on_its_side(seed, side):
    names = ("F3", "C3", "P3", "F7", "T3", "T5")
    place = np.array(place_between(np.random.default_rng(seed), side, names))
    assert np.linalg.norm(place) == pytest.approx(1)
    assert place[0] * side > 0
    corners = POSITIONS[[SITES.index(name) for name in names]] * (-side, 1, 1)
    assert (corners @ place).max() > np.cos(0.8)
