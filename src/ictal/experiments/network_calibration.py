"""Calibrate networks that were trained on a stream, on the windows of a data set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import eeg_weights
from ictal.errors import RecipeError
from ictal.evaluation import Calibration, PatientBootstrap, calibrate_out_of_fold, fit_calibration, kl_divergence
from ictal.evaluation.calibration import CALIBRATIONS, patient_folds
from ictal.models.arm_network import ArmNetwork
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.checkpoint import predict
from ictal.recipes import Recipe
from ictal.training.unit import RunSetup

Floats = npt.NDArray[np.float64]


def check_calibration(trained: Sequence[str], recipe: Recipe) -> None:
    """Refuse to calibrate on windows that a network is trained on.

    Raises
    ------
    RecipeError
        If the recipe has a calibration and trains an arm without a stream.
    """
    if recipe.calibration != "none" and not all(recipe.training_of(arm).only_streams for arm in trained):
        raise RecipeError(
            f"calibration is '{recipe.calibration}', but all windows are used for training, and there a network is "
            "more confident than elsewhere; allowed without a stream is 'none'"
        )


def calibrate(networks: Sequence[ArmNetwork], setup: RunSetup) -> dict[str, Any]:
    """Fit one calibration to all networks and apply it to each; return the changed fields of their model's card.

    The calibration is fitted to all patients. For its evaluation, each half of the patients is calibrated by a fit to
    the other half.
    """
    n, labels, recipe = len(networks), setup.array.labels, setup.recipe
    votes, weights = labels[list(VOTE_COLUMNS)].to_numpy(), eeg_weights(labels["eeg_id"])
    before = _uncalibrated(networks, setup)
    known = np.tile(votes, (n, 1)), before, np.tile(weights, n)
    with_bias = CALIBRATIONS[recipe.calibration]
    fitted = fit_calibration(*known, with_bias=with_bias)
    calibration = as_settings(fitted)
    for network in networks:
        network.calibration = calibration
    halves = np.tile(patient_folds(setup.patients, 2, recipe.seed), n)
    after = calibrate_out_of_fold(*known, halves, with_bias=with_bias)
    metrics = {
        **_kl_of_mean(before.reshape(n, *votes.shape), setup, "before calibration"),
        **_kl_of_mean(after.reshape(n, *votes.shape), setup, "calibrated on the other half of the patients"),
    }
    return {"models": recipe.models.model_copy(update={"calibration": calibration}), "metrics": metrics}


def as_settings(fitted: Calibration) -> CalibrationSettings:
    """Return a fitted calibration as settings of a model."""
    return CalibrationSettings(temperature=fitted.temperature, bias=tuple(fitted.bias.tolist()))


def _uncalibrated(networks: Sequence[ArmNetwork], setup: RunSetup) -> Floats:
    """Return the probabilities of networks without calibration, network after network, [network x window, 6]."""
    array, rows = setup.array, np.arange(len(setup.array))
    for network in networks:
        network.calibration = NO_CALIBRATION
    return np.concatenate(
        [predict(network, array.signals, rows, contexts=array.contexts).probabilities for network in networks]
    )


def _kl_of_mean(probabilities: Floats, setup: RunSetup, when: str) -> dict[str, float]:
    """Return the KL of the mean over networks, with a confidence interval, as metrics for a card.

    Parameters
    ----------
    probabilities
        [network, window, 6].
    setup
        Windows and recipe.
    when
        What the probabilities are, for the names of the metrics.
    """
    labels, options = setup.array.labels, setup.recipe.evaluation
    weights = eeg_weights(labels["eeg_id"])
    bootstrap = PatientBootstrap(setup.patients, weights, options.n_resamples, setup.recipe.seed, options.confidence)
    kl = bootstrap.mean(kl_divergence(labels[list(VOTE_COLUMNS)].to_numpy(), probabilities.mean(axis=0)))
    title = f"KL on {setup.data}, {when}"
    return {title: kl.value, f"{title}, {kl.confidence:.0%} from": kl.low, f"{title}, to": kl.high}
