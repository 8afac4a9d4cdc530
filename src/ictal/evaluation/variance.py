"""Sources of uncertainty: patients, training seeds and folds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.evaluation.bootstrap import PatientBootstrap

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VarianceSplit:
    """Standard deviations of a mean KL divergence, by source.

    Attributes
    ----------
    patient
        Over samples of the same number of patients, by bootstrap.
    seed
        Over training seeds on the same patients; None with one seed.
    fold
        Between folds, beyond what their patients explain: some training sets give better models. Zero if the patients
        explain all of it; None with one fold.
    n_seeds
        Number of seeds.
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
    """Split the variance of a mean loss into components for patients, seeds and folds.

    These are the components of a random-effects analysis of variance (Searle, Casella and McCulloch 1992, chapter 3).
    The patients' component is taken from the bootstrap, because windows of one patient are not independent.

    Parameters
    ----------
    losses, seeds, folds
        Loss, training seed and fold of each row, [row].
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
