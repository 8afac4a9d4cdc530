"""Where a figure's uncertainty comes from: other patients, another seed of training, another fold."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.evaluation.bootstrap import PatientBootstrap

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VarianceSplit:
    """Standard deviations of a mean KL.

    Attributes
    ----------
    patient
        Over other samples of as many patients (of the bootstrap).
    seed
        Over seeds of training, on the same patients; None where there is one seed.
    fold
        Of the folds' means beyond what their patients alone would do: some training sets make better models; None
        where there is one fold. Zero where the patients explain all.
    n_seeds
        How many seeds.
    """

    patient: float
    seed: float | None
    fold: float | None
    n_seeds: int

    def to_json(self) -> dict[str, float | int | None]:
        """Return plain numbers and None."""
        return {"patient_sd": self.patient, "seed_sd": self.seed, "fold_sd": self.fold, "n_seeds": self.n_seeds}


def split_variance(
    losses: Floats, seeds: npt.NDArray[np.int64], folds: npt.NDArray[np.int64], bootstrap: PatientBootstrap
) -> VarianceSplit:
    """Split the variance of a mean loss into that of patients, seeds and folds.

    The components of a random-effects analysis of variance (Searle, Casella and McCulloch 1992, chapter 3), with the
    patients' part taken from the bootstrap, as their windows are not independent.

    Parameters
    ----------
    losses, seeds, folds
        Of each row, [row].
    bootstrap
        Patients and weights of the rows.
    """
    patient = float(bootstrap.means(losses)[:, 0].std())
    of_seeds = _group_means(losses, seeds, bootstrap.weights)
    seed = float(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else None
    of_folds = _group_means(losses, folds, bootstrap.weights)
    fold = None
    if len(of_folds) > 1:
        shares = (folds[:, None] == np.unique(folds)).astype(np.float64)
        within = np.nanvar(bootstrap.means(np.repeat(losses[:, None], shares.shape[1], axis=1), shares), axis=0)
        fold = float(np.sqrt(max(of_folds.var(ddof=1) - within.mean(), 0.0)))
    return VarianceSplit(patient, seed, fold, len(of_seeds))


def _group_means(losses: Floats, groups: npt.NDArray[np.int64], weights: Floats) -> Floats:
    _, codes = np.unique(groups, return_inverse=True)
    return np.asarray(np.bincount(codes, losses * weights) / np.bincount(codes, weights))
