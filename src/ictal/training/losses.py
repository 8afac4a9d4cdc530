"""Losses: KL divergence to the distribution of votes, and the likelihood of panels."""

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
    """Return the mean KL of windows, or of those that are counted, each EEG weighing the same.

    Parameters
    ----------
    labels
        A row per window, with its votes and its EEG.
    probabilities
        [window, 6].
    """
    votes = labels[list(VOTE_COLUMNS)].to_numpy()
    logits = torch.from_numpy(probabilities).clamp(min=1e-15).log()
    kl = kl_loss(logits, torch.from_numpy(distribution(votes))).numpy()
    weight = eeg_weights(labels["eeg_id"])
    there = np.ones(len(votes), dtype=bool) if counted is None else counted
    return float(np.average(kl[there], weights=weight[there]))


def panel_loss(logits: Tensor, concentration: Tensor, votes: Tensor) -> Tensor:
    """Return the negative logarithm of the Dirichlet-multinomial likelihood of each panel's votes, [batch].

    Mosimann (*Biometrika* 1962;49:65-82), without the multinomial coefficient, which no parameter enters.

    Parameters
    ----------
    logits, votes
        [batch, 6]; votes as counts.
    concentration
        [batch]: the smaller, the further a panel may stray from the distribution.
    """
    # Differences of large and nearly equal numbers, of which float32 keeps nothing.
    alpha = (concentration[:, None] * logits.softmax(dim=1)).double().clamp(min=1e-6)
    total = alpha.sum(dim=1)
    of_patterns = (torch.lgamma(alpha + votes) - torch.lgamma(alpha)).sum(dim=1)
    loss: Tensor = torch.lgamma(total + votes.sum(dim=1)) - torch.lgamma(total) - of_patterns
    return loss.float()
