import numpy as np
import pytest
import torch

from ictal.core.labels import N_PATTERNS
from ictal.evaluation import Calibration
from ictal.evaluation.calibration import CALIBRATIONS
from ictal.models.arm_network import ArmNetwork
from ictal.models.build import build
from ictal.models.calibration import CalibrationSettings
from ictal.models.model_settings import ModelSettings
from ictal.recipes import load_recipe
from ictal.recipes.schema import Recipe
from tests.conftest import TINY


class Sure(torch.nn.Module):
    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[1e4, 0.0, 0.0, 0.0, 0.0, 0.0]]).expand(len(windows), 6)


def test_no_pattern_is_impossible():
    logits = ArmNetwork(Sure(), ModelSettings(lapse=0.06))(torch.zeros(3, 20, 10))
    expected = [0.95, 0.01, 0.01, 0.01, 0.01, 0.01]
    np.testing.assert_allclose(logits.softmax(dim=1), np.tile(expected, (3, 1)), rtol=1e-5)


def test_without_a_lapse_logits_are_those_of_the_network():
    logits = ArmNetwork(Sure(), ModelSettings())(torch.zeros(3, 20, 10))
    assert torch.equal(logits, Sure()(torch.zeros(3, 20, 10)))


def test_weights_of_a_network_with_a_lapse_load_again():
    settings = load_recipe(TINY).models
    with_lapse = ModelSettings.model_validate({**settings.model_dump(), "lapse": 0.1})
    one, other = build("temporal", with_lapse), build("temporal", with_lapse, initial=False)
    other.load_state_dict(one.state_dict())
    windows = torch.randn(2, 20, 10_000)
    torch.testing.assert_close(one.eval()(windows), other.eval()(windows))
    assert one(windows).softmax(dim=1).min() >= 0.1 / 6 - 1e-6


@pytest.mark.parametrize("lapse", [-0.1, 1.0])
def test_an_impossible_lapse_is_refused(lapse):
    with pytest.raises(ValueError, match="lapse"):
        ModelSettings(lapse=lapse)


class Noise(torch.nn.Module):
    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return torch.randn(len(windows), 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("lapse", [0.0, 0.1])
@pytest.mark.parametrize("votes", ["distribution", "dirichlet"])
def test_the_calibration_is_that_of_the_evaluation(lapse, votes):
    bias = (0.5, -0.2, 0.1, 0.0, -0.7, 0.3)
    plain = ModelSettings(lapse=lapse, votes=votes)
    calibrated = plain.model_copy(update={"calibration": CalibrationSettings(temperature=1.7, bias=bias)})
    (before, of_before), (after, of_after) = (
        ArmNetwork(Noise(), settings).panel(torch.zeros(9, 20, 10)) for settings in (plain, calibrated)
    )
    expected = Calibration(1.7, np.array(bias)).apply(before.softmax(dim=1))
    np.testing.assert_allclose(after.softmax(dim=1), expected, rtol=1e-4)
    assert of_before is None if of_after is None else torch.equal(of_before, of_after)


def test_a_recipe_calls_calibrations_what_the_evaluation_calls_them():
    for name in ("none", *CALIBRATIONS):
        Recipe(name="made", training={}, calibration=name)
    with pytest.raises(ValueError, match="calibration"):
        Recipe(name="made", training={}, calibration="platt")


@pytest.mark.parametrize("values", [{"temperature": 0.0}, {"bias": (0.0,) * (N_PATTERNS - 1)}])
def test_an_impossible_calibration_is_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        CalibrationSettings(**values)
