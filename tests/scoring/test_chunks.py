import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Gap
from ictal.core.windows import Geometry
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import Stretch, stretches
from ictal.preprocessing.settings import StandardiseSettings
from ictal.scoring import chunks
from ictal.scoring.chunks import Loaded, ahead, load, plans, score_piece
from ictal.scoring.quality import QualitySettings
from ictal.scoring.scores import spread_of
from tests.scoring.helpers import Loudness, contract, eeg, recording_of

SETTINGS = StandardiseSettings()


def cut(samples: np.ndarray, gaps: tuple[Gap, ...] = ()) -> list[Stretch]:
    made = recording_of(samples, gaps=gaps)
    return list(stretches(made, map_channels(made, contract().looks_at), "linear"))


@given(
    seconds=st.lists(st.floats(0.1, 400), min_size=1, max_size=4),
    step=st.integers(1, 100).map(lambda halves: 100 * halves),
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 200)),
)
def test_every_window_of_every_stretch_is_planned_once_and_none_beyond_it(seconds, step, sizes):
    lengths = np.array([round(200 * value) for value in seconds])
    ends = np.cumsum(lengths)
    gaps = tuple(Gap(float(end / 200 + number), 1.0) for number, end in enumerate(ends[:-1]))
    pieces = cut(np.zeros((20, int(ends[-1])), dtype=np.float32), gaps)
    assert [piece.n_samples for piece in pieces] == lengths.tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "FIRST_WINDOWS", sizes[0])
        patch.setattr(chunks, "WINDOWS", sizes[1])
        found = plans(pieces, step, Geometry())
    for piece in pieces:
        starts = [start for plan in found if plan.stretch is piece for start in plan.starts]
        expected = list(range(0, piece.n_samples - 10_000 + 1, step))
        if len(pieces) == 1 and 2000 <= piece.n_samples < 10_000:
            expected = [-((10_000 - piece.n_samples) // 2)]
        assert starts == expected
    for plan in found:
        assert plan.starts[0] % 400 == 0 or plan.starts[0] < 0, "frames of 2 s are those of the whole stretch"
        assert (len(plan.starts) - 4) * step <= max(sizes) * 2000, "no piece is longer than at a step of 10 s"
    if found:
        assert len(found[0].starts) <= max(4, sizes[0])


def test_a_short_recording_has_a_window_only_where_the_model_makes_up_the_rest():
    pieces = cut(eeg(30))
    assert [plan.starts for plan in plans(pieces, 2000, Geometry())] == [(-2000,)]
    assert plans(pieces, 2000, Geometry(short="refuse")) == []
    assert plans(cut(eeg(9.99)), 2000, Geometry()) == []


@given(seconds=st.lists(st.floats(0.1, 100), min_size=1, max_size=4), seen_s=st.sampled_from([10, 11, 20, 50]))
def test_what_a_model_sees_of_each_window_lies_within_its_stretch_and_nothing_else_is_left_out(seconds, seen_s):
    lengths = np.array([round(200 * value) for value in seconds])
    ends = np.cumsum(lengths)
    gaps = tuple(Gap(float(end / 200 + number), 1.0) for number, end in enumerate(ends[:-1]))
    found = plans(cut(np.zeros((20, int(ends[-1])), dtype=np.float32), gaps), 2000, Geometry(seen_s, "refuse"))
    assert sum(len(plan.starts) for plan in found) == sum(max(0, (n - 200 * seen_s) // 2000 + 1) for n in lengths)
    for plan in found:
        first, last = plan.starts[0] + plan.geometry.unseen, plan.starts[-1] + 10_000 - plan.geometry.unseen
        assert 0 <= first < last <= plan.stretch.n_samples


def test_a_model_of_the_centre_is_asked_from_the_first_second_to_the_last():
    samples = eeg(37)
    samples[:, 4200:4800] = 0
    (stretch,) = cut(samples)
    (plan,) = plans([stretch], 2000, Geometry(10))
    made = load(plan, SETTINGS, QualitySettings(), sees_context=False)
    assert made.rows["start_s"].tolist() == [0, 10, 20]
    assert (made.rows["made_up_s"] == 0).all()
    assert made.rows["usable"].tolist() == pytest.approx([1, 1, 0.7], abs=0.1), "only what is seen can be spoilt"
    whole = stretch.standardised(0, stretch.n_samples, SETTINGS)[0].signal
    for number, window in enumerate(made.windows):
        np.testing.assert_array_equal(window[:, 4000:6000], whole[:, 2000 * number : 2000 * (number + 1)])


def loaded(samples: np.ndarray, step: int = 2000) -> Loaded:
    (plan, *_) = plans(cut(samples), step, Geometry())
    return load(plan, SETTINGS, QualitySettings(), sees_context=False)


@pytest.mark.parametrize(("step", "flat_s", "asked"), [(2000, (), 8), (2000, (60, 80), 4), (8000, (), 4)])
def test_an_engine_is_asked_about_the_windows_that_are_good_enough(step, flat_s, asked):
    samples = eeg(50 + 7 * step / 200 if step == 2000 else 50 + 3 * step / 200)
    if flat_s:
        samples[:, 200 * flat_s[0] - 2000 : 200 * flat_s[1] + 2000] = 0
    runs = Loudness()
    frame = score_piece(loaded(samples, step), runs)
    assert runs.asked == [asked]
    given = frame["reason"] == ""
    assert given.sum() == asked
    assert frame.loc[given, "seizure_probability"].notna().all()
    assert frame.loc[~given, ["seizure_probability", "spread"]].isna().all(axis=None)


def test_the_spread_is_that_of_the_prediction_and_none_of_pairs_of_experts():
    p = np.array([[0.5, 0.2, 0.1, 0.1, 0.05, 0.05], [1, 0, 0, 0, 0, 0], [1 / 6] * 6])
    found = spread_of(pd.DataFrame(p, columns=list(PROBABILITY_COLUMNS)))
    np.testing.assert_allclose(found, [1 - (0.25 + 0.04 + 0.01 + 0.01 + 0.0025 + 0.0025), 0, 5 / 6])


def numbered(number: int) -> Loaded:
    made = loaded(eeg(50))
    return replace(made, starts=[number])


def test_what_is_made_ahead_comes_in_order_and_at_most_two_wait():
    made = []

    def maker(number: int):
        return lambda: made.append(number) or numbered(number)

    with ahead([maker(number) for number in range(6)]) as given:
        time.sleep(0.5)
        assert made[:2] == [0, 1]
        assert len(made) <= 2, "memory has a bound"
        assert [one.starts[0] for one in given] == [0, 1, 2, 3, 4, 5]
    assert not reading()


def reading() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "reading"]


class StrangeError(Exception):
    """What no code of ours knows."""


def test_an_error_while_reading_ahead_comes_after_what_was_read_and_as_it_is():
    error = StrangeError("the disk is gone")

    def fail() -> Loaded:
        raise error

    got = []

    def take() -> None:
        with ahead([lambda: numbered(0), fail, lambda: numbered(2)]) as given:
            got.extend(one.starts[0] for one in given)

    with pytest.raises(StrangeError) as caught:
        take()
    assert caught.value is error
    assert got == [0]
    assert not reading()


@pytest.mark.parametrize("error", [KeyboardInterrupt, StrangeError])
def test_whoever_stops_looking_stops_the_thread(error):
    """It ends with the piece that it is at, though the queue is full."""
    made = []

    def stop() -> None:
        with ahead([lambda: made.append(1) or numbered(0)] * 50) as given:
            next(given)
            raise error

    with pytest.raises(error):
        stop()
    assert not reading()
    assert len(made) <= 4
