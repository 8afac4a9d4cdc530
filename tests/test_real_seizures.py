"""The figures of benchmarks/real_seizures.py on made-up numbers, by hand and by scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from ictal.core.intervals import expanded_tail, newcombe_auroc
from ictal.core.montage import MONTAGES, derivations_of, montage_matrix
from ictal.core.windows import cut
from ictal.io import open_recording
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from tests.helpers import benchmark
from tests.scoring.helpers import eeg, recording_of

NOWHERE = (float("nan"), float("nan"))


@pytest.fixture(scope="module")
def script():
    return benchmark("real_seizures")


def made_up(seed: int, n_patients: int = 6) -> pd.DataFrame:
    """Return windows of patients with both kinds and of healthy people; some scores tie."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        for kind, more in (("seizure", 0.3), ("after", 0.0)):
            scores = np.round(rng.beta(2, 3, rng.integers(1, 12)) + more + rng.normal(0, 0.1), 2)
            rows += [(f"chb{patient}", kind, score) for score in scores]
    for person in range(3):
        rows += [(f"eegmat{person}", "healthy", score) for score in np.round(rng.beta(1, 6, 5), 2)]
    return pd.DataFrame(rows, columns=["patient", "kind", "probability"])


def theirs(frame: pd.DataFrame, other: str) -> float:
    kept = frame[frame["kind"].isin(["seizure", other])]
    return float(roc_auc_score(kept["kind"] == "seizure", kept["probability"]))


@pytest.mark.parametrize(
    ("file", "begin_s", "seizure_s", "kind"),
    [
        ("chb01_seizure.edf", 0, (0, 40), "seizure"),
        ("chb01_seizure.edf", 30, (0, 40), "seizure"),
        ("chb01_after.edf", 35, (0, 40), None),
        ("chb01_after.edf", 40, (0, 40), "after"),
        ("chb01_after.edf", 15, (20, 40), None),
        ("chb01_after.edf", 10, (20, 40), "after"),
        ("chb01_after.edf", 0, (2, 8), None),  # longer than the seizure
        ("chb01_after.edf", 0, NOWHERE, "after"),
        ("eegmat_1.edf", 0, NOWHERE, "healthy"),
    ],
)
def test_a_window_is_of_a_kind_wholly_or_left_out(script, file, begin_s, seizure_s, kind):
    assert script.kind_of(file, begin_s, begin_s + 10, seizure_s) == kind


@given(seed=st.integers(0, 2**32 - 1))
def test_the_figure_is_that_of_scikit_learn(script, seed):
    frame = made_up(seed)
    for other in ("after", "healthy"):
        estimate = script.auroc_by_patient(script.pairs_of(frame, "seizure", other), 50)
        assert estimate.value == pytest.approx(theirs(frame, other))


def test_by_hand_a_tie_is_half(script):
    rows = [("a", "seizure", 0.9), ("a", "seizure", 0.5), ("a", "after", 0.5), ("b", "after", 0.7)]
    pairs = script.pairs_of(pd.DataFrame(rows, columns=["patient", "kind", "probability"]), "seizure", "after")
    assert pairs.same
    assert pairs.won.tolist() == [[1.5, 1], [0, 0]]
    assert pairs.all.tolist() == [[2, 2], [0, 0]]
    assert pairs.auroc(np.ones(2), np.ones(2)) == pytest.approx(2.5 / 4)
    assert np.isnan(pairs.auroc(np.array([0.0, 2.0]), np.array([0.0, 2.0])))  # no window of a seizure was drawn


@pytest.mark.parametrize("other", ["after", "healthy"])
def test_the_interval_is_that_of_drawing_patients_one_by_one(script, other):
    frame = made_up(3, n_patients=9)
    estimate = script.auroc_by_patient(script.pairs_of(frame, "seizure", other), 4000)
    rng = np.random.default_rng(5)
    windows = {key: own["probability"].to_numpy() for key, own in frame.groupby(["patient", "kind"])}
    with_seizures, healthy = ([*dict.fromkeys(n for n, _ in windows if n.startswith(s))] for s in ("chb", "eegmat"))
    values = []
    for _ in range(1500):
        drawn, others = rng.choice(with_seizures, len(with_seizures)), rng.choice(healthy, len(healthy))
        positive = np.concatenate([windows[name, "seizure"] for name in drawn])
        negative = np.concatenate([windows[name, other] for name in (drawn if other == "after" else others)])
        values.append(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))
    n_windows = [frame.query(f"kind == '{kind}'")["patient"].value_counts() for kind in ("seizure", other)]
    tail = expanded_tail(min(n.sum() ** 2 / (n**2).sum() for n in n_windows), 0.95)
    expected = np.quantile(values, [tail, 1 - tail])
    if expected[1] == 1:  # which no resample can tell more of
        sizes = [n.sum() ** 2 / (n**2).sum() for n in n_windows]
        expected = newcombe_auroc(estimate.value, sizes[0], sizes[1])
    # The Monte Carlo error of a 1 % quantile of 1,500 draws is some 6 % of the width; this is three times that.
    assert [estimate.low, estimate.high] == pytest.approx(expected, abs=0.18 * np.ptp(expected))


def test_patients_of_one_kind_alone_have_no_figure_within(script):
    table = script.by_patient(made_up(0)).set_index("patient")
    own = made_up(0).query("patient == 'chb2'")
    assert table.loc["chb2", "auroc"] == pytest.approx(theirs(own, "after"))
    assert table.loc["chb2", "n_seizure"] == (own["kind"] == "seizure").sum()
    assert table.loc["eegmat1", "mean_healthy"] == pytest.approx(
        made_up(0).query("patient == 'eegmat1'")["probability"].mean()
    )
    assert np.isnan(table.loc["eegmat1", "auroc"])
    assert table.loc["chb2", "n_healthy"] == 0


def test_what_is_told_is_json_and_what_is_shown_says_the_same(script):
    found = script.told("default", made_up(0), 100, 0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    lines = script.shown(found)
    low, high = found["auroc_healthy_interval"]
    assert f"| healthy adults at rest | {found['auroc_healthy']:.3f} | {low:.3f} to {high:.3f} |" in lines
    assert sum(line.startswith(("| chb", "| eegmat")) for line in lines) == 9
    assert len({line.count("|") for line in lines[5:]}) == 1


def test_a_window_knows_of_nothing_but_its_own_ten_seconds(script):
    samples, settings = eeg(40), StandardiseSettings(band_hz=(0.5, 20))
    recording = recording_of(samples)
    window = script.window_of(recording, map_channels(recording), 15, settings)
    alone = standardise(recording_of(samples[:, 3000:5000]), settings).signal
    np.testing.assert_array_equal(window, cut(alone, 0, "reflect")[0])
    loud = samples.copy()
    loud[:, :3000] *= 50
    louder = recording_of(loud)
    np.testing.assert_array_equal(script.window_of(louder, map_channels(louder), 15, settings), window)


def test_bipolar_clips_are_used_as_they_are(script, shared_data):
    recording = open_recording(shared_data / "seizure" / "chb01_26_JR_seizure.edf")
    derivations = derivations_of(MONTAGES["double_banana"])
    window = script.window_of(recording, map_channels(recording, derivations), 5, StandardiseSettings(band_hz=None))
    made = (montage_matrix(derivations) @ window)[:, 4000:6000]
    at = np.arange(100, 1900) / 200  # away from the ends, where the resampler sees less
    for pair, channel in (("Fp1-F7", "FP1-F7"), ("C4-P4", "C4-P4")):
        own = recording.read(1280, 3840, [recording.channels.index(channel)])[0]
        expected = np.interp(at, np.arange(2560) / 256, own)
        row = [str(one) for one in derivations].index(pair)
        assert np.corrcoef(made[row, 100:1900], expected)[0, 1] > 0.98
