"""The pure parts of benchmarks/study.py: stored windows, recipes, differences, calibration and the verdict."""

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions, concatenate, mean_of
from ictal.core.windows import cut
from ictal.evaluation import Difference, Estimate, kl_divergence
from ictal.recipes.stages import TrainingSettings
from tests.helpers import benchmark

N_PATIENTS, SEEDS = 40, 3


@pytest.fixture(scope="module")
def script():
    return benchmark("study")


@pytest.fixture(scope="module")
def training(script):
    return script.training


def predicted(arm: str, error: float) -> Predictions:
    """Return predictions of one arm: the votes' shares, with noise that depends on arm and seed."""
    votes = np.random.default_rng(0).multinomial(12, np.full(6, 1 / 6), N_PATIENTS)
    names = [f"{'iiic' if number % 2 else 'pages'}-{number}" for number in range(N_PATIENTS)]
    tables = []
    for seed in range(SEEDS):
        frame = pd.DataFrame({"window_id": names, "eeg_id": names, "patient_id": names, "split": "cv", "seed": seed})
        frame = frame.assign(fold=np.arange(N_PATIENTS) % 5, arm=arm)
        frame[[*VOTE_COLUMNS]] = votes
        noise = np.random.default_rng((seed, len(arm))).normal(size=(N_PATIENTS, 6))
        shares = (votes + 0.5) * np.exp(error * noise)
        frame[[*PROBABILITY_COLUMNS]] = shares / shares.sum(axis=1, keepdims=True)
        tables.append(Predictions.make(frame))
    return concatenate(tables)


@pytest.fixture(scope="module")
def table():
    singles = [predicted("temporal", 1.0), predicted("spatial", 1.2)]
    return concatenate([*singles, predicted("fusion", 0.1), mean_of(singles, "both")])


def difference(a: str, b: str, value: float, *, decided: bool) -> Difference:
    half = 0.5 * abs(value) if decided else 2 * abs(value)
    p = 0.001 if decided else 0.5
    return Difference(a, b, Estimate(value, value - half, value + half), p, p, 0.1, {})


def found(script, **values: float) -> dict[tuple[str, str], Difference]:
    """Return the planned differences: those named 'a_b' are decided, the others are not."""
    known = {f"{a.replace('-', '')}_{b}": (a, b) for a, b in script.PLANNED}
    assert {*values} <= {*known}
    return {pair: difference(*pair, values.get(name, 0.01), decided=name in values) for name, pair in known.items()}


def test_stored_centres_are_read_as_recordings_of_ten_seconds_are_padded(training):
    kept = np.random.default_rng(0).normal(0, 30, (3, 20, 2000)).astype(np.float16)
    windows = training.Centres(kept)[np.array([2, 0])]
    assert windows.dtype == np.float32
    for window, own in zip(windows, kept[[2, 0]], strict=True):
        np.testing.assert_array_equal(window, cut(own.astype(np.float32), 0, "reflect")[0])


def test_every_arm_is_trained_in_one_pass_on_ten_seconds(training):
    for arm in training.TRAINED:
        recipe = training.recipe_of(arm, 2e-3, 1)
        own = recipe.training_of(arm)
        assert recipe.seed == 1
        if isinstance(own, TrainingSettings):
            assert [number for number, _ in own.epochs] == list(range(1 + (arm == "fusion-finetuned")))
            assert own.stages[-1].learning_rates.peak == 2e-3
    models = recipe.models
    views = (models.temporal.waveform, models.spatial.spectrogram, models.volume.volume, models.symmetric.waveform)
    assert {view.seen_s for view in views} == {10.0}


def test_only_what_is_missing_is_trained_and_slow_arms_begin(training, tmp_path):
    jobs = [training.Job(arm, 0, 1e-3, 8, tmp_path / arm, {}) for arm in ("symmetric", "temporal", "fusion")]
    (tmp_path / "temporal").mkdir()
    (tmp_path / "temporal" / "card.json").touch()
    assert [job.arm for job in training._to_do([*jobs, *jobs])] == ["fusion", "symmetric"]


def test_the_best_peak_has_the_lowest_kl_on_simulated_windows(training, tmp_path):
    jobs = []
    for arm, peak, kl in (
        ("volume", 1e-3, 0.5),
        ("volume", 2e-3, 0.4),
        ("spatial", 1e-3, 0.3),
        ("spatial", 2e-3, 0.6),
    ):
        job = training.Job(arm, 0, peak, 8, tmp_path / f"{arm}{peak}", {})
        job.folder.mkdir()
        (job.folder / training.FIGURES).write_text(f'{{"simulated_kl": {kl}}}')
        jobs.append(job)
    assert training._best(jobs) == {"volume": 2e-3, "spatial": 1e-3}


def test_differences_are_of_the_same_segments_and_all_seeds(script, table):
    pairs = [("fusion", script.PERFECT), ("both", script.PERFECT)]
    made = script.differences(table, (pairs, script.PLANNED, script.FURTHER))
    mean = {
        arm: np.mean(kl_divergence(own.votes, own.probabilities))
        for arm in table.arms
        if (own := table.select(arm=arm))
    }
    for (a, b), one in made.items():
        assert one.estimate.value == pytest.approx(mean[a] - mean.get(b, 0.0))
        assert one.n_seeds == SEEDS
    assert ("both", "spatial") in made
    assert not any("volume" in pair for pair in made)
    assert script.of_seeds(table, "both").mean() == pytest.approx(mean["both"])


def test_calibration_removes_a_bias_of_each_network_out_of_fold(script, table):
    biased = table.frame.copy()
    other, seed_1 = PROBABILITY_COLUMNS[-1], (biased["seed"] == 1).to_numpy()
    biased.loc[seed_1, other] *= 8
    shares = biased[[*PROBABILITY_COLUMNS]].to_numpy()
    biased[[*PROBABILITY_COLUMNS]] = shares / shares.sum(axis=1, keepdims=True)
    keys = ["arm", "seed", "window_id"]
    plain, after = (
        script.calibrated(Predictions(frame)).frame.set_index(keys).sort_index() for frame in (table.frame, biased)
    )
    columns = [*PROBABILITY_COLUMNS]
    np.testing.assert_allclose(plain[columns], after[columns], atol=1e-4)


def test_without_a_decided_difference_the_verdict_is_that_we_cannot_tell(script):
    said = script.verdict(found(script))
    assert said.startswith("we cannot tell whether joint training helps, and we cannot tell whether averaging")
    told = script.sentence(dict.fromkeys(script.WAYS, said), found(script))
    assert told == f"**On real EEG, {said}** (four of five such studies would find a difference of 0.10)."


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"fusion_both": -0.1}, "joint training helps (fusion), and we cannot"),
        ({"fusion_both": -0.1, "fusionfinetuned_both": -0.1}, "helps (fusion and fusion-finetuned), and"),
        ({"fusion_both": 0.1}, "joint training is worse than averaging (fusion), and"),
        ({"fusion_both": 0.1, "fusionfinetuned_both": -0.1}, "(fusion-finetuned is better, fusion worse)"),
        ({"both_temporal": -0.1, "both_spatial": -0.1}, "averaging beats both single networks"),
        ({"both_temporal": -0.1}, "we cannot tell whether averaging beats the better single network"),
        ({"both_temporal": 0.1, "both_spatial": -0.1}, "averaging does not beat the better single network"),
        ({"fusion_temporal": -0.1}, "we cannot tell whether joint training helps"),
    ],
)
def test_the_verdict_names_what_is_decided(script, values, said):
    assert said in script.verdict(found(script, **values))


def test_a_verdict_that_calibration_changes_is_given_twice(script):
    told = script.sentence({"as it is": "we cannot tell", "calibrated": "it helps"}, found(script))
    assert "we cannot tell; after calibration, it helps**" in told


def test_a_folder_of_another_run_is_refused(script, training, tmp_path):
    script.claim(training.Study(tmp_path, 64, 1, 1))
    script.claim(training.Study(tmp_path, 64, 3, 2))
    with pytest.raises(script.RunError, match="another --out"):
        script.claim(training.Study(tmp_path, 128, 1, 1))
