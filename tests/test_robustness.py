"""The figures of benchmarks/robustness.py on made-up numbers, by hand."""

from pathlib import Path

import numpy as np
import pytest

from ictal.core.montage import CHANNELS
from ictal.models.hub import find_model
from ictal.scoring.engines import open_engine


@pytest.fixture
def robustness(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import robustness

    return robustness


def segments_of(robustness, n, seconds=10):
    rng = np.random.default_rng(0)
    eeg = tuple(30 * rng.normal(size=(20, seconds * 200)) for _ in range(n))
    votes = np.zeros((n, 6), dtype=np.int64)
    votes[:, 0] = 3
    return robustness.Segments(eeg, votes, np.array([f"p{number}" for number in range(n)], dtype=object))


def test_an_effect_is_counted_by_hand(robustness):
    segments = segments_of(robustness, 3)
    before = np.tile([0.5, 0.3, 0.05, 0.05, 0.05, 0.05], (3, 1))
    after = np.stack([before, before])
    after[0, 0] = [0.3, 0.5, 0.05, 0.05, 0.05, 0.05]  # one call in one of two draws
    after[:, 2] = np.nan  # refused
    effect = robustness.Effect.of(segments, before, after)
    assert (effect.n, effect.calls) == (2, 0.5)
    assert effect.largest == pytest.approx(0.2)
    assert effect.median == 0
    assert effect.difference.value == pytest.approx(np.log(0.5 / 0.3) / 4)
    assert effect.kl == pytest.approx(np.log(2) + np.log(0.5 / 0.3) / 4)


def test_each_disturbance_changes_what_it_names(robustness):
    eeg = segments_of(robustness, 1, 14).eeg[0]
    rows = {
        name: what.recording(eeg, np.random.default_rng(0)).read() for name, what in robustness.DISTURBANCES.items()
    }
    np.testing.assert_allclose(rows["common"][:19] - rows["common"][0], eeg[:19] - eeg[0], atol=1e-3)
    assert abs(rows["average"][:19].mean(axis=0)).max() < 1e-4
    assert not rows["Cz"][CHANNELS.index("Cz")].any()
    assert len(rows["bipolar"]) == 18
    for name in ("flat", "noisy"):
        assert (abs(rows[name] - eeg).max(axis=1) > 1e-3).sum() == 1
    assert (abs(rows["muscle"] - eeg).max(axis=1) > 1e-3).sum() == 6
    assert rows["shift"].shape[1] == 10 * 200
    assert robustness.DISTURBANCES["shift"].recording(eeg[:, : 13 * 200], np.random.default_rng(0)) is None


def test_the_middle_of_a_recording_is_compared(robustness):
    engine = open_engine(find_model("default"), threads=1)
    eeg = segments_of(robustness, 1, 50).eeg[0]
    none = robustness.UNDISTURBED
    whole, part = (
        robustness.probabilities_of(none.recording(some, None), engine) for some in (eeg, eeg[:, 400:-400])
    )
    np.testing.assert_allclose(whole, part, atol=1e-3)  # the band-pass starts elsewhere
    found = robustness.measured(
        robustness.Segments((eeg,), np.eye(6, dtype=np.int64)[:1], np.array(["a"], dtype=object)), engine, ["half"]
    )
    assert "all voltages × 0.5" in robustness.table({"default": found})[2]
