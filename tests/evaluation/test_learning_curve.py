"""Learning curves: the figures, and how wide their intervals are."""

import json

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.evaluation import learning_curve
from ictal.report.ablation_figures import curve_figure
from ictal.report.verdicts import curve_in_words


def table(right: np.ndarray, arm: str = "a") -> Predictions:
    """Return predictions of probability `right` [patient, draw] for what all of a panel of 5 voted for."""
    rows = []
    for patient, draws in enumerate(right):
        for seed, p in enumerate(draws):
            rows.append(
                {
                    **dict(
                        zip(
                            ("window_id", "eeg_id", "patient_id"),
                            (f"w{patient}", f"e{patient}", f"p{patient}"),
                            strict=True,
                        )
                    ),
                    **dict(zip(VOTE_COLUMNS, (5, 0, 0, 0, 0, 0), strict=True)),
                    **dict(zip(PROBABILITY_COLUMNS, (p, *[(1 - p) / 5] * 5), strict=True)),
                    "split": "cv",
                    "fold": patient % 2,
                    "arm": arm,
                    "seed": seed,
                }
            )
    return Predictions.make(pd.DataFrame(rows).sample(frac=1, random_state=0))


def constant(p: float, n_patients: int = 40, n_draws: int = 3) -> np.ndarray:
    return np.full((n_patients, n_draws), p)


def test_points_are_mean_kl_and_what_each_gains_on_the_one_before():
    tables = {("b", 4): table(constant(0.5), "b"), ("a", 8): table(constant(0.6)), ("a", 2): table(constant(0.3))}
    curve = learning_curve(tables, 200)
    assert [(point.arm, point.n_patients, point.n_draws) for point in curve.points] == [
        *(("b", 4, 3), ("a", 2, 3), ("a", 8, 3))
    ]
    b, few, many = curve.points
    assert [b.kl.value, few.kl.value, many.kl.value] == pytest.approx(-np.log([0.5, 0.3, 0.6]))
    assert b.gain is None is few.gain
    assert many.gain.value == pytest.approx(np.log(2))
    assert many.gain.interval == pytest.approx([np.log(2)] * 2)
    frame = curve.to_frame()
    assert frame["kl"].tolist() == [b.kl.value, few.kl.value, many.kl.value]
    assert frame["gain"].isna().tolist() == [True, True, False]
    assert json.loads(json.dumps(curve.to_json()))[2]["gain"] == pytest.approx(np.log(2))


def test_intervals_hold_the_luck_of_the_draw_and_of_the_patients():
    by_draw, by_patient = constant(0.5), constant(0.5)
    by_draw[:, 0], by_draw[:, 2] = 0.3, 0.8
    by_patient[::2], by_patient[1::2] = 0.3, 0.8
    draws = learning_curve({("a", 2): table(by_draw)}, 2000).points[0].kl
    patients = learning_curve({("a", 2): table(by_patient)}, 2000).points[0].kl
    # Of three draws with replacement, all are the same one in 1 of 27 cases; and 40 patients are of two kinds.
    assert [draws.low, draws.high] == pytest.approx([-np.log(0.8), -np.log(0.3)])
    half_width = 1.96 * np.std(-np.log([0.3, 0.8])) / np.sqrt(40)
    assert (patients.high - patients.low) / 2 == pytest.approx(half_width, rel=0.12)


def test_a_curve_in_words_says_whether_it_still_falls():
    falls = learning_curve({("a", 2): table(constant(0.3)), ("a", 8): table(constant(0.6))}, 200)
    (words,) = curve_in_words(falls)
    assert words.startswith("From 2 to 8 training patients the KL of a changes by -0.693 (95 % confidence interval")
    assert "still falls" in words
    rng = np.random.default_rng(0)
    flat = learning_curve({("a", n): table(rng.uniform(0.3, 0.7, (40, 3))) for n in (2, 8)}, 500)
    assert "do not show that more patients would lower it" in curve_in_words(flat)[0]
    alone = learning_curve({("a", 2): table(constant(0.3))}, 200)
    assert "too few patients for a learning curve" in curve_in_words(alone)[0]


def test_the_figure_has_each_arm_and_the_lines(run):
    curve = learning_curve(
        {(arm, n): table(constant(0.1 * n), arm) for arm in ("temporal", "x") for n in (2, 4)}, 200
    )
    svg = curve_figure(curve, run.comparison)
    for words in ("temporal", "x", "prior", "floor", "training patients per fold"):
        assert f">{words}<" in svg
