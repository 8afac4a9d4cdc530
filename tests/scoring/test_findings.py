"""What a report says of a recording, from its scores: events, patterns, hours, status and background."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.labels import PATTERNS
from ictal.core.montage import ELECTRODES
from ictal.measurement.columns import NOT_MEASURED
from ictal.scoring.background import background_of, continuity_of
from ictal.scoring.burden import Cover, most_covered, rolling_burden
from ictal.scoring.event_measurement import MeasuredRows, frequency_of, measured_event
from ictal.scoring.events import Event, find_events
from ictal.scoring.findings import find_findings, status_of
from ictal.scoring.quality import SPECTRUM_HZ
from tests.terminology.examples import event as finding

LEFT_TEMPORAL = {"F7": 0.6, "T3": 1.0, "T5": 0.8, "T4": 0.2, "C3": 0.3}


def rows(patterns: list[str], rate_hz: float = 1.25, **columns: object) -> pd.DataFrame:
    """Return a row per pattern of 10 s, measured as left temporal discharges of a rate."""
    table = []
    for number, pattern in enumerate(patterns):
        row: dict[str, object] = {f"{name}_probability": 0.02 for name in PATTERNS}
        row |= {
            f"{pattern}_probability": 0.9,
            "start_s": 10.0 * number,
            "stop_s": 10.0 * number + 10,
            "left_right": 1.0,
        }
        row |= NOT_MEASURED | {"voltage_uv": 40.0, "suppressed": 0.0, "burst_uv": 60.0, "between_uv": 35.0}
        row |= {name: np.zeros(len(SPECTRUM_HZ), np.float32) for name in ("spectrum_left", "spectrum_right")}
        if pattern != "other":
            row |= {
                "measured": pattern,
                "cycles_s": np.arange(0.1, 10, 1 / rate_hz),
                "involvement_uv": np.array([LEFT_TEMPORAL.get(name, 0.05) for name in ELECTRODES]),
                "lateral": -0.6,
                "amplitude_uv": 80.0,
                "phase_s": 0.1,
                "phases": 2,
            }
        table.append(row | columns)
    return pd.DataFrame(table)


def findings(frame: pd.DataFrame):
    return find_findings(frame, find_events(frame), PATTERNS[:-1], float(frame["stop_s"].max()))


def test_an_event_has_the_numbers_of_its_rows():
    frame = rows(["other"] * 3 + ["lpd"] * 4 + ["other"] * 3)
    (found,) = findings(frame).events
    assert (found.pattern, found.start_s, found.stop_s, found.measured_s) == ("lpd", 30, 70, 40)
    assert found.frequency is not None
    assert found.frequency.typical == pytest.approx(1.25)
    assert found.location is not None
    assert (found.location.main_term, found.location.side) == ("lateralized", "left")
    assert found.location.electrodes == ("F7", "T3", "T5")
    assert found.location.regions == ("frontal", "temporal")
    assert found.shape is not None
    assert (found.shape.amplitude_uv, found.shape.sharpness, found.shape.phases) == (80, "sharp", 2)
    assert found.evolution == "static"
    assert min(found.cycles_s) >= 30
    assert max(found.cycles_s) < 70


def test_rows_of_another_pattern_within_an_event_do_not_count():
    frame = rows(["lpd"] * 5)
    frame.loc[2, ["measured", "lateral", "amplitude_uv"]] = "gpd", 0.9, 500.0
    found = measured_event(MeasuredRows.of(frame), Event(0, 50, "lpd", 0.9, 0.9))
    assert found.measured_s == 40
    assert found.shape is not None
    assert found.shape.amplitude_uv == 80
    assert not [at for at in found.cycles_s if 20 <= at < 30]


def test_an_event_in_which_nothing_was_measured_has_no_numbers():
    frame = rows(["lpd"] * 4, measured="", cycles_s=np.empty(0), involvement_uv=np.full(19, np.nan))
    (found,) = findings(frame).events
    assert (found.frequency, found.location, found.shape, found.lag_s, found.evolution) == (None,) * 5
    assert found.cycles_s == ()


@pytest.mark.parametrize(("pattern", "main_term"), [("gpd", "generalized"), ("lrda", "lateralized")])
def test_main_term_1_is_that_of_the_pattern(pattern, main_term):
    (found,) = findings(rows([pattern] * 4)).events
    assert found.location is not None
    assert found.location.main_term == main_term


@pytest.mark.parametrize(
    ("field", "main_term"), [(LEFT_TEMPORAL, "lateralized"), (dict.fromkeys(ELECTRODES, 1.0), "generalized")]
)
def test_a_seizure_is_lateralized_by_its_field(field, main_term):
    involvement = np.array([field.get(name, 0.05) for name in ELECTRODES])
    frame = rows(["seizure"] * 4)
    frame["involvement_uv"] = [involvement] * 4
    (found,) = findings(frame).events
    assert found.location is not None
    assert found.location.main_term == main_term


def test_discharges_that_are_mostly_independent_are_bilateral_independent():
    (found,) = findings(rows(["lpd"] * 4, independent=True)).events
    assert found.location is not None
    assert found.location.main_term == "bilateral independent"


@given(rates=st.lists(st.floats(0.5, 3), min_size=4, max_size=40))
def test_the_frequency_lies_within_its_range_and_interval(rates):
    found = frequency_of([np.cumsum(1 / np.array(rates))])
    assert found is not None
    assert found.low <= found.typical <= found.high
    assert found.interval[0] <= found.typical * (1 + 1e-9)
    assert found.typical <= found.interval[1] * (1 + 1e-9)
    assert min(rates) * (1 - 1e-9) <= found.typical <= max(rates) * (1 + 1e-9)


def test_the_interval_of_the_frequency_covers_it_in_19_of_20_cases():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        found = frequency_of([np.cumsum(np.exp(rng.normal(0, 0.2, 31)))])
        assert found is not None
        held += found.interval[0] <= 1 <= found.interval[1]
    assert 0.92 <= held / 400 <= 0.99


def test_too_few_cycles_have_no_frequency():
    assert frequency_of([]) is None
    assert frequency_of([np.array([0.0, 1.0])]) is None


spans = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 40)), max_size=8)


@given(spans=spans, seconds=st.integers(1, 100))
def test_the_most_covered_stretch_is_the_best_of_all(spans, seconds):
    cover = Cover.of([start for start, _ in spans], [start + length for start, length in spans])
    start_s, covered_s = most_covered(cover, seconds)
    second = np.zeros(400, bool)
    for start, length in spans:
        second[start : start + length] = True
    sums = [second[begin : begin + seconds].sum() for begin in range(300)]
    assert covered_s == pytest.approx(max(sums))
    assert cover.before([start_s + seconds])[0] - cover.before([start_s])[0] == pytest.approx(covered_s)


@pytest.mark.parametrize(
    ("seizures", "criterion"),
    [
        ([(100, 700)], "10 minutes"),
        ([(100, 699)], None),
        ([(100, 460), (3340, 3700)], "20 % of an hour"),
        ([(100, 460), (3350, 3709)], None),
        ([(0, 60)] * 3, None),
    ],
)
def test_status_is_ten_minutes_or_a_fifth_of_any_hour(seizures, criterion):
    """ACNS 2021, D: electrographic status epilepticus."""
    events = [replace(finding(pattern="seizure"), start_s=a, stop_s=b) for a, b in seizures]
    found = status_of(events, 7200)
    assert (found.criterion if found else None) == criterion
    others = [replace(one, pattern="gpd") for one in events]
    assert status_of(others, 7200) is None


def test_the_rolling_burden_is_the_share_of_the_window_before():
    frame = rows(["other"] * 6 + ["lpd"] * 6 + ["other"] * 6)
    table = rolling_burden(frame, find_events(frame), "1min", "30s")
    lpd = table[table["pattern"] == "lpd"].set_index("stop_s")["burden"]
    assert lpd[60] == 0
    assert lpd[90] == pytest.approx(0.5)
    assert lpd[120] == 1
    assert lpd[180] == 0
    assert (table[table["pattern"] == "gpd"]["burden"] == 0).all()


def test_the_continuum_is_the_share_of_periodic_discharges_above_1_hz():
    """ACNS 2021, F: the ictal-interictal continuum."""
    patterns = ["lpd"] * 5 + ["other"] * 5
    assert findings(rows(patterns, 1.5)).continuum_share == pytest.approx(0.5)
    assert findings(rows(patterns, 0.8)).continuum_share == 0


def test_hours_and_patterns_have_shares_and_terms():
    found = findings(rows(["lpd"] * 200 + ["other"] * 160 + ["gpd"] * 4 + ["other"] * 356))
    assert [hour.start_s for hour in found.hours] == [0, 3600]
    assert found.hours[0].shares["lpd"] == pytest.approx(200 / 360)
    assert found.hours[0].prevalence["lpd"] == "abundant"
    assert found.hours[1].prevalence["lpd"] == "none"
    lpd, gpd = found.patterns
    assert (lpd.pattern, lpd.prevalence, lpd.longest_s, lpd.worst_start_s) == ("lpd", "frequent", 2000, 0)
    assert lpd.worst_share == pytest.approx(2000 / 3600)
    assert (gpd.pattern, gpd.prevalence) == ("gpd", "rare")
    assert found.absent == ("seizure", "lrda", "grda")


def test_the_background_is_that_of_windows_without_a_pattern():
    frame = rows(["lpd"] * 5 + ["other"] * 5)
    frame.loc[:4, "voltage_uv"] = 200.0
    found = background_of(frame)
    assert (found.voltage_uv, found.voltage, found.measured_s) == (40, "normal", 50)
    only = background_of(frame[:5])
    assert only.voltage_uv == 200
    assert (only.predominant, only.posterior_hz) == (None, None), "they would be those of the pattern"
    assert background_of(frame[:0]).measured_s == 0


def test_the_predominant_frequency_is_that_of_the_spectrum():
    spectrum = np.where(np.abs(SPECTRUM_HZ - 6) <= 0.5, 20.0, 0.0).astype(np.float32)
    frame = rows(["other"] * 4)
    frame["spectrum_left"] = [spectrum] * 4
    found = background_of(frame)
    assert (found.predominant_hz, found.predominant) == (pytest.approx(6, abs=0.5), "theta")


@pytest.mark.parametrize(
    ("share", "voltage_uv", "burst_uv", "between_uv", "expected"),
    [
        (0.0, 40, 60, 35, ("continuous", 0.0)),
        (0.05, 40, 60, 35, ("nearly continuous", 0.05)),
        (0.3, 50, 90, 20, ("discontinuous", 0.3)),
        (0.7, 8, 90, 5, ("burst-suppression", 0.7)),
        (0.7, 18, 90, 15, ("burst-attenuation", 0.7)),
        (1.0, 5, 6, 4, ("suppressed", 1.0)),
        (0.8, 9, 14, 8, ("suppressed", 1.0)),
        (0.8, 12, 20, 9, ("continuous", 0.0)),  # of low voltage throughout
    ],
)
def test_bursts_need_more_than_low_voltage(share, voltage_uv, burst_uv, between_uv, expected):
    """ACNS 2021, A4: continuity."""
    assert continuity_of(share, voltage_uv, burst_uv, between_uv) == expected


def test_status_does_not_end_after_the_recording():
    (found,) = [status_of([replace(finding(pattern="seizure"), start_s=a, stop_s=a + 400) for a in (100, 600)], 1080)]
    assert found is not None
    assert (found.start_s, found.stop_s, found.seizure_s) == (0, 1080, 800)


def test_an_event_takes_the_numbers_of_rows_whose_middle_is_in_it_and_the_cycles_within_it():
    """With steps of less than 10 s, an event begins and ends in the middle of measured rows."""
    frame = rows(["lpd"] * 4)
    found = measured_event(MeasuredRows.of(frame), Event(12, 26, "lpd", 0.9, 0.9))
    assert found.measured_s == 20
    assert min(found.cycles_s) >= 12
    assert max(found.cycles_s) < 26
