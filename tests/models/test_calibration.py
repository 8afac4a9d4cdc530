"""The calibration of a saved model: of one network, and of a mean of several."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.labels import N_PATTERNS
from ictal.models.build import build
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.calibration_record import CalibrationRecord
from ictal.models.checkpoint import load_model, save_model
from ictal.models.hub import describe_model
from tests.models.test_checkpoint import SMALL, card, windows
from tests.scoring.helpers import network_of

biases = st.tuples(*[st.floats(-2, 2)] * N_PATTERNS)
calibrations = st.builds(CalibrationSettings, temperature=st.floats(0.2, 5), bias=biases)
SOME = CalibrationSettings(temperature=0.7, bias=(0.4, -0.1, 0.0, 0.1, -0.5, 0.1))
RECORD = CalibrationRecord(
    model="default",
    data="ward",
    data_fingerprint="f",
    n_windows=60,
    n_patients=30,
    penalty=0.03,
    kl_before=0.6,
    kl=0.45,
    kl_interval=(0.4, 0.5),
    difference=-0.15,
    difference_interval=(-0.2, -0.1),
    confidence=0.95,
    ictal_version="0",
)


@given(calibrations, calibrations)
def test_one_calibration_after_another_is_one(first, second):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(6), 20)
    both = first.then(second).apply(probabilities)
    np.testing.assert_allclose(both, second.apply(first.apply(probabilities)), atol=1e-12)
    assert first.then(NO_CALIBRATION) == NO_CALIBRATION.then(first) == first


def test_without_a_calibration_probabilities_are_the_same_numbers():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(6), 20)
    assert NO_CALIBRATION.apply(probabilities) is probabilities
    certain = np.eye(6)
    np.testing.assert_allclose(SOME.apply(certain).sum(axis=1), 1)


@pytest.mark.parametrize("arm", ["temporal", "both"])
def test_a_calibration_on_the_card_is_that_of_the_final_probabilities(arm, tmp_path):
    """It comes after the calibrations of the networks and after their mean."""
    settings = SMALL.model_copy(update={"calibration": CalibrationSettings(temperature=1.4)})
    network, plain = network_of(arm, settings), card(arm).model_copy(update={"models": settings})
    save_model(tmp_path / "plain", network, plain)
    save_model(tmp_path / "calibrated", network, plain.model_copy(update={"calibration": SOME}))
    before, after = (load_model(tmp_path / name).predict(windows()) for name in ("plain", "calibrated"))
    np.testing.assert_allclose(after, SOME.apply(before), atol=1e-6)
    assert abs(after - before).max() > 0.02
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "calibrated")]
    assert weights[0] == weights[1]


def test_cards_from_before_have_no_calibration_of_the_mean(tmp_path):
    save_model(tmp_path, build("temporal", SMALL), card("temporal"))
    content = json.loads((tmp_path / "card.json").read_text())
    for name in ("calibration", "calibrations"):
        del content[name]
    (tmp_path / "card.json").write_text(json.dumps(content))
    loaded = load_model(tmp_path)
    assert loaded.card.calibration == loaded.network.calibration == NO_CALIBRATION


def test_the_mean_without_a_calibration_gives_the_same_bits_as_before():
    network = network_of("both", SMALL)
    with torch.inference_mode():
        logs = [part(torch.from_numpy(windows())).log_softmax(1) for part in network.networks.values()]
        found = network(torch.from_numpy(windows()))
    assert torch.equal(found, torch.logsumexp(torch.stack(logs), dim=0))


def test_the_card_as_text_says_what_it_was_fitted_to(tmp_path):
    about = card("temporal").model_copy(update={"calibration": SOME, "calibrations": (RECORD,)})
    save_model(tmp_path, build("temporal", SMALL), about)
    text = describe_model(tmp_path).text
    assert "default with a temperature and biases (penalty 0.03) fitted to ward: 60 windows of 30 patients" in text
    assert "0.600 before, 0.450 after, 95 % confidence interval 0.400 to 0.500" in text
    alone = RECORD.model_copy(update={"penalty": None, "kl_interval": None})
    assert "default with a temperature fitted to ward" in alone.in_words()
    assert alone.in_words().endswith("0.450 after")
