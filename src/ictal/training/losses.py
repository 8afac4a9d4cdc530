"""Losses: KL divergence to the distribution of votes, and the likelihood of a panel's votes."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from ictal.core.labels import VOTE_COLUMNS, distribution
from ictal.core.predictions import eeg_weights


def kl_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return KL(target || softmax(logits)) of each window, [batch].

    Parameters
    ----------
    logits, target
        [batch, 6]; target sums to one.
    """
    entropy = torch.special.entr(target).sum(dim=1)
    cross = -(target * logits.float().log_softmax(dim=1)).sum(dim=1)
    divergence: Tensor = cross - entropy
    return divergence


def mean_kl(
    labels: pd.DataFrame, probabilities: npt.NDArray[np.float64], counted: npt.NDArray[np.bool_] | None = None
) -> float:
    """Return the mean KL of all windows, or of some, with equal weight per EEG.

    Parameters
    ----------
    labels
        A row per window, with votes and eeg_id.
    probabilities
        [window, 6].
    counted
        Windows to include, [window]; None for all. The weights are those of all windows.
    """
    votes = labels[list(VOTE_COLUMNS)].to_numpy()
    logits = torch.from_numpy(probabilities).clamp(min=1e-15).log()
    kl = kl_loss(logits, torch.from_numpy(distribution(votes))).numpy()
    weight = eeg_weights(labels["eeg_id"])
    chosen = np.ones(len(votes), dtype=bool) if counted is None else counted
    return float(np.average(kl[chosen], weights=weight[chosen]))


def panel_loss(logits: Tensor, concentration: Tensor, votes: Tensor) -> Tensor:
    """Return the negative log-likelihood of each panel's votes under a Dirichlet-multinomial distribution, [batch].

    Mosimann (*Biometrika* 1962;49:65-82), without the multinomial coefficient, which does not depend on parameters.

    Parameters
    ----------
    logits, votes
        [batch, 6]; votes as counts.
    concentration
        [batch]; the smaller, the more a panel may deviate from the distribution.
    """
    # These are differences of large, nearly equal numbers, which float32 cannot represent.
    alpha = (concentration[:, None] * logits.softmax(dim=1)).double().clamp(min=1e-6)
    total = alpha.sum(dim=1)
    of_patterns = (torch.lgamma(alpha + votes) - torch.lgamma(alpha)).sum(dim=1)
    loss: Tensor = torch.lgamma(total + votes.sum(dim=1)) - torch.lgamma(total) - of_patterns
    return loss.float()
