"""Pages of made-up comparisons: no network is trained for them."""

import html
import re
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import yaml

from ictal.core.labels import PANELS, PATTERN_TITLES, PATTERNS, STRATA
from ictal.core.predictions import Predictions, concatenate
from ictal.evaluation import compare_arms
from ictal.evaluation.arm_results import Comparison
from ictal.recipes import load_recipe
from ictal.report.ablation_report import Report, ablation_figures, render
from ictal.report.verdicts import difference_in_words, gap_in_words, verdict_of_arms
from tests.evaluation.test_arm_comparison import table
from tests.helpers import undrawn
from tests.report.test_ablation_report import Page

MANIFEST: dict[str, Any] = {
    "ictal_version": "9.8.7",
    "seed": 5,
    "data": "hospital/train.csv",
    "data_fingerprint": "0123456789abcdef",
    "packages": {"torch": "2.99"},
    "machine": {"python": "3.11.4", "system": "Linux-x", "processors": 2, "threads": 1, "gpus": 0},
    "created": "2030-01-02T03:04:05",
    "windows": {
        "used": 24,
        "refused": 3,
        "refused_because": "more than 50% of the samples missing or flat",
        "with_missing_samples": 2,
        "with_flat_electrodes": 1,
        "partly_made_up": 4,
        "filled_by": "linear",
        "made_up_by": "reflect",
    },
    "eegs": 23,
    "patients": 12,
    "test_patients": 3,
    "patients_per_fold": [5, 4],
    "windows_per_pattern": dict.fromkeys(PATTERNS, 4.0),
    "windows_per_stratum": dict.fromkeys((*STRATA, *PANELS), 6),
    "seconds": {"strong-fold0-seed0": 61.2, "strong-fold1-seed0": 60.1},
    "warnings": [],
}


def comparison(n_arms: int = 2, n_test: int = 3, confidence: float = 0.95) -> Comparison:
    arms = [table(f"arm{number}", (number + 1) / (n_arms + 1), 12, n_test) for number in range(n_arms)]
    return compare_arms(concatenate(arms), n_resamples=200, confidence=confidence)


def page_of(made: Comparison, overrides: tuple[str, ...] = (), **manifest: object) -> str:
    history = pd.DataFrame({"epoch": [1, 2], "train_loss": [1.5, 1.0], "valid_kl": [1.4, 1.1]})
    names = [arm.name for arm in made.arms]
    recipe = load_recipe("quick", overrides).model_dump(mode="json")
    return render(
        Report(
            made,
            MANIFEST | manifest,
            recipe,
            {name: f"what {name} is" for name in names},
            {f"{name}-fold{fold}-seed0": history for name in names for fold in (0, 1)},
        )
    )


@pytest.fixture(scope="module")
def two() -> Comparison:
    return comparison()


@pytest.fixture
def without_figures():
    with undrawn():
        yield


def check(page: str) -> Page:
    """Check that a page is well-formed, fetches nothing, and names each of its parts once."""
    parsed = Page()
    parsed.feed(page)
    parsed.close()
    assert not parsed.open
    assert len(parsed.ids) == len(set(parsed.ids))
    for target in parsed.fetched:
        assert target.startswith("data:image/png;base64,") or (target[0] == "#" and target[1:] in parsed.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(parsed.ids)
    addresses = set(re.findall(r"https?://[^\"'\s<>]+", page))
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    metadata = {"http://creativecommons.org/ns#", "http://purl.org/dc/elements/1.1/"}
    metadata |= {"http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/dcmitype/StillImage"}
    assert addresses - namespaces - metadata <= {"https://matplotlib.org/"}  # a name in the metadata, fetched by none
    return parsed


@pytest.mark.parametrize(
    ("n_arms", "n_test"), [(1, 3), (2, 0), (3, 1), (9, 3)], ids=["alone", "no test", "one test patient", "many arms"]
)
def test_any_comparison_makes_a_page(n_arms, n_test):
    made = comparison(n_arms, n_test)
    page = page_of(made)
    check(page)
    text = html.unescape(page)
    for difference in made.differences:
        if difference.b in (made.reference, "prior", "uniform"):
            assert difference_in_words(difference) in text
    assert verdict_of_arms(made) in text
    for arm in made.arms:
        assert gap_in_words(arm) in text
        assert f"<b>{arm.name}</b>: what {arm.name} is." in text
        assert re.search(rf"<td>{arm.name}</td><td>\s*{arm.cv.value:.3f} <span", page)
    for baseline in made.baselines:
        assert re.search(rf'<tr class="baseline"><td>{baseline.name}</td><td>\s*{baseline.cv.value:.3f}', page)
    assert ("Held-out test: KL and accuracy" in page) == (n_test > 0)
    assert ("Paired differences to" in page) == (n_arms > 1)
    assert not re.search(r"\bnan\b", re.sub(r"(?s)<svg.*?</svg>", "", page).lower())


def test_figures_differ_from_page_to_page_only_in_their_ids(two):
    one, other = page_of(two), page_of(two)
    assert set(check(one).ids).isdisjoint(check(other).ids)  # so that two pages' figures can stand in one
    assert len(one) == pytest.approx(len(other), rel=0.01)


def test_the_page_says_what_made_it_and_what_was_left_out(two, without_figures):
    page = page_of(two, warnings=["starting from random weights"])
    for words in (
        *("hospital/train.csv (fingerprint 0123456789abcdef)", "seed 5, ictal 9.8.7, started 2030-01-02T03:04:05"),
        *("24 of 23 EEGs of 12 patients", "patients per fold: 5, 4; held out for the test: 3"),
        *("3 windows (more than 50% of the samples missing or flat)", "2 windows had missing or flat samples"),
        *(
            "4 windows come from recordings shorter than what an arm sees",
            "121 s over 2 units",
            "2.99",
            "Linux-x, 2 processors",
        ),
        *("Warning during training: starting from random weights", "For research. Not a medical device"),
        *("The folds share training data", "p is corrected for all pairs of arms that are compared"),
    ):
        assert words in page, words
    for pattern in PATTERNS:
        assert f"<th>{PATTERN_TITLES[pattern]}</th>" in page


def test_the_recipe_in_the_page_is_the_recipe(two, without_figures):
    page = page_of(two, ("data.folds=7",))
    written = re.search(r"(?s)<pre>(.*?)</pre>", page).group(1)
    assert yaml.safe_load(html.unescape(written)) == load_recipe("quick", ["data.folds=7"]).model_dump(mode="json")


def test_the_confidence_is_named_as_it_was_set(without_figures):
    page = page_of(comparison(confidence=0.8), ("evaluation.confidence=0.8", "evaluation.n_resamples=4321"))
    assert "with 80 % confidence intervals over patients" in page
    assert "80 % confidence interval" in page
    assert "95 %" not in page
    assert "The intervals come from 4321 resamples of patients" in page


def test_names_from_outside_cannot_become_markup(two):
    page = page_of(two, data="<script>alert(1)</script> & Söhne")
    check(page)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in page


@pytest.mark.parametrize(
    ("data", "simulated"),
    [
        ("sim (120 simulated patients, seed 0)", True),
        ("hospital/train.csv", False),
        ("similar-hospital/train.csv", False),
    ],
)
def test_only_simulated_data_are_called_simulated(two, data, simulated, without_figures):
    assert ("The EEG is simulated" in page_of(two, data=data)) == simulated


def test_figures_show_the_figures(two):
    patterns = ablation_figures.groups_figure(two.arms, "cv", "per_pattern")
    groups = two.arms[0].evaluations["cv"].per_pattern
    for name in PATTERNS:
        assert f"{PATTERN_TITLES[name]} (n={groups[name].n_windows})" in patterns
    assert "1–9 votes (n=0)" in ablation_figures.groups_figure(two.arms, "cv", "per_stratum")
    arms = ablation_figures.arms_figure(two)
    assert all(arm.name in arms for arm in two.arms)
    assert "KL, held-out test" in arms
    assert "KL, held-out test" not in ablation_figures.arms_figure(comparison(2, 0))
    confusion = ablation_figures.confusion_figure(two.arms[0], "cv")
    largest = two.arms[0].evaluations["cv"].confusion.max()
    assert f">{largest * 100:.0f}<" in confusion


def test_a_difference_that_is_decided_is_drawn_dark(two):
    decided = next(d for d in two.differences if d.decided)
    undecided = replace(decided, estimate=replace(decided.estimate, low=-1.0, high=1.0))
    for difference, dark in ((decided, True), (undecided, False)):
        svg = ablation_figures.differences_figure([difference], "difference")
        assert f"{difference.a} − {difference.b}, cross-validation" in svg
        assert (f"stroke: {ablation_figures.INK}; stroke-width: 2" in svg) == dark
        assert (f"stroke: {ablation_figures.FAINT}; stroke-width: 2" in svg) != dark


def test_a_pattern_that_nobody_voted_for_leaves_its_row_empty():
    frame = table("arm", 0.5).frame.assign(seizure_vote=0, other_vote=5)
    made = compare_arms(Predictions.make(frame), n_resamples=100)
    check(page_of(made))
