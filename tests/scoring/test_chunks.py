import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Gap
from ictal.core.windows import Geometry
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import RecordedRun, recorded_runs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.scoring import pipeline
from ictal.scoring.pipeline import Chunk, ChunkExcerpt, plan_chunks, rows_of_chunk
from ictal.scoring.quality import QualitySettings
from ictal.scoring.scores import spread_of
from tests.scoring.helpers import Loudness, contract, eeg, recording_of

SETTINGS = StandardiseSettings()


def cut(samples: np.ndarray, gaps: tuple[Gap, ...] = ()) -> list[RecordedRun]:
    made = recording_of(samples, gaps=gaps)
    return recorded_runs(made, map_channels(made, contract().needs.derivations), "linear")


@given(
    seconds=st.lists(st.floats(0.1, 400), min_size=1, max_size=4),
    step=st.integers(1, 100).map(lambda halves: 100 * halves),
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 200)),
)
def test_every_window_of_every_stretch_is_planned_once_and_none_beyond_it(seconds, step, sizes):
    lengths = np.array([round(200 * value) for value in seconds])
    ends = np.cumsum(lengths)
    gaps = tuple(Gap(float(end / 200 + number), 1.0) for number, end in enumerate(ends[:-1]))
    runs = cut(np.zeros((20, int(ends[-1])), dtype=np.float32), gaps)
    assert [run.n_samples for run in runs] == lengths.tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "FIRST_WINDOWS", sizes[0])
        patch.setattr(pipeline, "WINDOWS", sizes[1])
        found = plan_chunks(runs, step, Geometry())
    for run in runs:
        starts = [start for chunk in found if chunk.run is run for start in chunk.starts]
        expected = list(range(0, run.n_samples - 10_000 + 1, step))
        if len(runs) == 1 and 2000 <= run.n_samples < 10_000:
            expected = [-((10_000 - run.n_samples) // 2)]
        assert starts == expected
    for chunk in found:
        assert chunk.starts[0] % 400 == 0 or chunk.starts[0] < 0, "frames of 2 s are those of the whole run"
        assert (len(chunk.starts) - 4) * step <= max(sizes) * 2000, "no chunk is longer than at a step of 10 s"
    if found:
        assert len(found[0].starts) <= max(4, sizes[0])


def test_a_short_recording_has_a_window_only_where_the_model_makes_up_the_rest():
    runs = cut(eeg(30))
    assert [chunk.starts for chunk in plan_chunks(runs, 2000, Geometry())] == [(-2000,)]
    assert plan_chunks(runs, 2000, Geometry(short="refuse")) == []
    assert plan_chunks(cut(eeg(9.99)), 2000, Geometry()) == []


@given(seconds=st.lists(st.floats(0.1, 100), min_size=1, max_size=4), seen_s=st.sampled_from([10, 11, 20, 50]))
def test_what_a_model_sees_of_each_window_lies_within_its_stretch_and_nothing_else_is_left_out(seconds, seen_s):
    lengths = np.array([round(200 * value) for value in seconds])
    ends = np.cumsum(lengths)
    gaps = tuple(Gap(float(end / 200 + number), 1.0) for number, end in enumerate(ends[:-1]))
    found = plan_chunks(cut(np.zeros((20, int(ends[-1])), dtype=np.float32), gaps), 2000, Geometry(seen_s, "refuse"))
    assert sum(len(chunk.starts) for chunk in found) == sum(max(0, (n - 200 * seen_s) // 2000 + 1) for n in lengths)
    for chunk in found:
        first, last = chunk.starts[0] + chunk.geometry.unseen, chunk.starts[-1] + 10_000 - chunk.geometry.unseen
        assert 0 <= first < last <= chunk.run.n_samples


def scored(chunk: Chunk, excerpt: ChunkExcerpt, engine: Loudness) -> pd.DataFrame:
    probabilities = engine(excerpt.batch).probabilities
    return rows_of_chunk(chunk, excerpt, probabilities, engine.contract)


def test_a_model_of_the_centre_is_asked_from_the_first_second_to_the_last():
    samples = eeg(37)
    samples[:, 4200:4800] = 0
    (run,) = cut(samples)
    (chunk,) = plan_chunks([run], 2000, Geometry(10))
    excerpt = chunk.read(contract(), QualitySettings())
    rows = scored(chunk, excerpt, Loudness())
    assert rows["start_s"].tolist() == [0, 10, 20]
    assert (rows["made_up_s"] == 0).all()
    assert rows["usable"].tolist() == pytest.approx([1, 1, 0.7], abs=0.1), "only what is seen can be spoilt"
    whole = run.standardised(0, run.n_samples, SETTINGS)[0].signal
    for number, window in enumerate(excerpt.batch.windows):
        np.testing.assert_array_equal(window[:, 4000:6000], whole[:, 2000 * number : 2000 * (number + 1)])


def first_chunk(samples: np.ndarray, step: int = 2000) -> tuple[Chunk, ChunkExcerpt]:
    chunk = plan_chunks(cut(samples), step, Geometry())[0]
    return chunk, chunk.read(contract(), QualitySettings())


@pytest.mark.parametrize(("step", "flat_s", "good"), [(2000, (), 8), (2000, (60, 80), 4), (8000, (), 4)])
def test_windows_that_are_not_good_enough_get_no_prediction(step, flat_s, good):
    samples = eeg(50 + 7 * step / 200 if step == 2000 else 50 + 3 * step / 200)
    if flat_s:
        samples[:, 200 * flat_s[0] - 2000 : 200 * flat_s[1] + 2000] = 0
    engine = Loudness()
    chunk, excerpt = first_chunk(samples, step)
    frame = scored(chunk, excerpt, engine)
    assert engine.asked == [len(frame)], "all windows of a chunk at once"
    given = frame["reason"] == ""
    assert given.sum() == good
    expected = Loudness()(excerpt.batch).probabilities[given.to_numpy()]
    np.testing.assert_array_equal(frame.loc[given, list(PROBABILITY_COLUMNS)], expected)
    assert frame.loc[~given, ["seizure_probability", "spread"]].isna().all(axis=None)


def test_the_spread_is_that_of_the_prediction_and_none_of_pairs_of_experts():
    p = np.array([[0.5, 0.2, 0.1, 0.1, 0.05, 0.05], [1, 0, 0, 0, 0, 0], [1 / 6] * 6])
    found = spread_of(pd.DataFrame(p, columns=list(PROBABILITY_COLUMNS)))
    np.testing.assert_allclose(found, [1 - (0.25 + 0.04 + 0.01 + 0.01 + 0.0025 + 0.0025), 0, 5 / 6])
