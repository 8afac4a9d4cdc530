"""Compare a model with experts: whether it agrees with the rest of a panel as well as each expert does."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.intervals import bounded_mean
from ictal.core.labels import distribution
from ictal.core.summary_table import SummaryTable, html_of
from ictal.errors import TableError
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.calibration import calibrated_kl, patient_folds
from ictal.evaluation.evaluate import estimate_json
from ictal.evaluation.expert_labels import NOT_LABELLED, ExpertLabels, read_expert_labels
from ictal.evaluation.metric_table import Measured, kappa_measured
from ictal.evaluation.metrics import agreement_parts, kappa_of, kl_divergence, pattern_shares

Floats = npt.NDArray[np.float64]

MIN_OTHERS = 3
"""Smallest number of other experts whose majority counts as a reference."""


@dataclass(frozen=True)
class ExpertAgreement:
    """How well an expert agrees with the other experts, and the model with the same others on the same windows.

    Attributes
    ----------
    n_windows
        Windows that this expert and enough others labelled.
    kappa, model_kappa
        Cohen's kappa with the top vote of the others; a window with a tie counts in equal parts for each pattern.
    difference
        Model minus expert.
    agreeing, model_agreeing
        Share of windows in agreement with the top vote; 1 / m in a tie of m patterns.
    vote_share, model_vote_share
        Mean share of the others' votes for the same pattern.
    """

    expert: str
    n_windows: int
    kappa: Estimate
    model_kappa: Estimate
    difference: Estimate
    agreeing: Estimate
    model_agreeing: Estimate
    vote_share: Estimate
    model_vote_share: Estimate


FIGURES = tuple(ExpertAgreement.__dataclass_fields__)[2:]
"""The estimates of each expert, in the order in which they are calculated."""


@dataclass(frozen=True)
class PanelComparison:
    """A model compared with a panel of experts.

    Attributes
    ----------
    rows
        One per expert.
    expert, model
        Median over experts of `kappa` and of `model_kappa`.
    difference
        Median over experts of model minus expert.
    n_better
        Number of experts whom the model outperforms in their place.
    whole_panel
        The model's kappa with the top vote of all experts. Experts have no such figure, since each is part of the
        panel.
    kl, calibrated
        Mean KL divergence of the model's probabilities from all votes, as they are and after each calibration that
        was fitted on the other half of the patients (or windows).
    left_out
        Experts without kappa: they labelled no window, or all with one pattern.
    min_others, resampled, n_effective
        Smallest number of other votes; what was resampled, 'patients' or 'windows'; and their effective number.
    """

    rows: tuple[ExpertAgreement, ...]
    expert: Estimate
    model: Estimate
    difference: Estimate
    n_better: Estimate
    whole_panel: Estimate
    kl: Estimate
    calibrated: dict[str, Estimate]
    left_out: tuple[str, ...]
    min_others: int
    resampled: str
    n_effective: float = float("nan")

    def summary(self) -> SummaryTable:
        """Return the table of experts."""
        columns = ("expert", "windows", "kappa", "model's kappa", "agree", "model agrees")
        rows = []
        for row in self.rows:
            figures = (row.kappa, row.model_kappa, row.agreeing, row.model_agreeing)
            rows.append((row.expert, str(row.n_windows), *(f"{one.value:.3f}" for one in figures)))
        return SummaryTable(columns, tuple(rows))

    def _repr_html_(self) -> str:
        medians = f"Median kappa of the experts with the others: {self.expert}; of the model instead: {self.model}."
        return html_of(self.summary(), medians)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        names = ("expert", "model", "difference", "n_better", "whole_panel", "kl")
        return {
            "min_others": self.min_others,
            "resampled": self.resampled,
            "n_effective": self.n_effective,
            "left_out": list(self.left_out),
            **{name: estimate_json(getattr(self, name)) for name in names},
            "calibrated_kl": {name: estimate_json(row) for name, row in self.calibrated.items()},
            "experts": [
                {"expert": row.expert, "n_windows": row.n_windows}
                | {name: estimate_json(getattr(row, name)) for name in FIGURES}
                for row in self.rows
            ],
        }


def compare_with_experts(
    labels: ExpertLabels | str | Path,
    min_others: int = MIN_OTHERS,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PanelComparison:
    """Put the model in the place of each expert in turn, and compare how well the two agree with all the others.

    An expert's own vote is not part of the panel that the expert is compared with. The model is compared with the
    same panel on the same windows, so neither a larger panel nor easier windows favour it.

    Parameters
    ----------
    labels
        Labels of every expert, and the model's probabilities; or the path of such a table, see `read_expert_labels`.
    min_others
        Windows with fewer votes of other experts are excluded from an expert's row.
    n_resamples, seed, confidence
        See `ResamplingSettings`. If patients are unknown, windows are resampled; this treats windows of one patient
        as independent and makes intervals too narrow.

    Raises
    ------
    TableError
        If `min_others` is below 1 or no expert has a kappa.
    """
    labels = labels if isinstance(labels, ExpertLabels) else read_expert_labels(Path(labels))
    if min_others < 1:
        raise TableError(f"min_others is {min_others}; allowed are whole numbers from 1")
    n_windows = len(labels.labels)
    units = np.arange(n_windows).astype(object) if labels.patients is None else labels.patients
    bootstrap = PatientBootstrap(units, np.ones(n_windows), n_resamples, seed, confidence)
    places = {
        name: found
        for number, name in enumerate(labels.experts)
        if (found := _in_place_of(bootstrap, labels, number, min_others)) is not None
    }
    if not places:
        raise TableError(
            f"no expert has a kappa: none labelled several patterns in windows with {min_others} other votes or more"
        )
    votes, model = labels.votes, labels.probabilities.argmax(axis=1)
    kl, calibrated = _divergence(bootstrap, votes, labels.probabilities)
    return PanelComparison(
        rows=tuple(place.row(name, bootstrap) for name, place in places.items()),
        **_summary(bootstrap, list(places.values())),
        whole_panel=_agreement(bootstrap, votes, model, votes.sum(axis=1) >= min_others)[0].estimate(bootstrap),
        kl=kl,
        calibrated=calibrated,
        left_out=tuple(name for name in labels.experts if name not in places),
        min_others=min_others,
        resampled="windows" if labels.patients is None else "patients",
        n_effective=bootstrap.n_effective,
    )


@dataclass(frozen=True)
class _Place:
    """The figures of one expert and of the model in the expert's place, by the names in `FIGURES`."""

    n_windows: int
    figures: dict[str, Measured]

    def row(self, name: str, bootstrap: PatientBootstrap) -> ExpertAgreement:
        estimates = {figure: measured.estimate(bootstrap) for figure, measured in self.figures.items()}
        return ExpertAgreement(name, self.n_windows, **estimates)


def _in_place_of(bootstrap: PatientBootstrap, labels: ExpertLabels, number: int, min_others: int) -> _Place | None:
    """Return the figures in the place of one expert; None if expert or model has no kappa."""
    own = labels.labels[:, number]
    labelled = own != NOT_LABELLED
    others = labels.votes
    others[labelled, own[labelled]] -= 1
    there = labelled & (others.sum(axis=1) >= min_others)
    if not there.any():
        return None
    kappa, agreeing, vote_share = _agreement(bootstrap, others, own, there)
    model = _agreement(bootstrap, others, labels.probabilities.argmax(axis=1), there)
    if np.isnan(kappa.value) or np.isnan(model[0].value):
        return None
    measured = (kappa, model[0], model[0] - kappa, agreeing, model[1], vote_share, model[2])
    return _Place(int(there.sum()), dict(zip(FIGURES, measured, strict=True)))


def _agreement(
    bootstrap: PatientBootstrap,
    votes: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.integer],
    there: npt.NDArray[np.bool_],
) -> tuple[Measured, Measured, Measured]:
    """Return the kappa, the share in agreement with the top vote, and the share of votes, over the marked windows."""
    of_window = agreement_parts(pattern_shares(votes[there]), chosen[there])
    share = np.take_along_axis(distribution(votes[there]), chosen[there, None], axis=1)
    parts = np.zeros((len(there), of_window.shape[1] + 1))
    parts[there] = np.concatenate([of_window, share], axis=1)
    values = parts[there].mean(axis=0)
    resampled = bootstrap.means(parts, np.broadcast_to(there[:, None], parts.shape))
    n = bootstrap.effective(there)
    agreeing, of_votes = (bounded_mean(float(values[column]), n, bootstrap.confidence) for column in (0, -1))
    kappa, kappas = float(kappa_of(values[:-1])), kappa_of(resampled[:, :-1])
    found = (
        kappa_measured(bootstrap, parts[:, :-1], kappa, kappas, there),
        Measured(float(values[0]), resampled[:, 0], n, agreeing),
        Measured(float(values[-1]), resampled[:, -1], n, of_votes),
    )
    return found[0].settled(bootstrap), found[1].settled(bootstrap), found[2].settled(bootstrap)


def _summary(bootstrap: PatientBootstrap, places: list[_Place]) -> dict[str, Estimate]:
    """Return the medians over experts, and in how many experts' places the model is better."""
    kappa, model_kappa, difference = (_median([place.figures[name] for place in places]) for name in FIGURES[:3])
    gains = [place.figures["difference"] for place in places]
    n_better = Measured(
        float(sum(gain.value > 0 for gain in gains)),
        np.sum([gain.resampled > 0 for gain in gains], axis=0, dtype=np.float64),
        min(gain.n_effective for gain in gains),
    )
    figures = {"expert": kappa, "model": model_kappa, "difference": difference, "n_better": n_better}
    return {name: figure.estimate(bootstrap) for name, figure in figures.items()}


def _median(figures: list[Measured]) -> Measured:
    """Return the median over experts; in each resample, over those with a defined figure."""
    resampled = np.stack([figure.resampled for figure in figures], axis=1)
    medians = np.full(len(resampled), np.nan)
    defined = np.isfinite(resampled).any(axis=1)
    medians[defined] = np.nanmedian(resampled[defined], axis=1)
    value = float(np.median([figure.value for figure in figures]))
    return Measured(value, medians, min(figure.n_effective for figure in figures))


def _divergence(
    bootstrap: PatientBootstrap, votes: npt.NDArray[np.int64], probabilities: Floats
) -> tuple[Estimate, dict[str, Estimate]]:
    """Return the mean KL divergence over windows with votes, and the same after each calibration."""
    voted = votes.sum(axis=1) > 0
    panel = replace(bootstrap, patients=bootstrap.patients[voted], weights=bootstrap.weights[voted])
    votes, probabilities = votes[voted], probabilities[voted]
    # A single patient leaves no other half to fit on.
    halves = np.zeros(len(votes)) if panel.n_patients() < 2 else patient_folds(panel.patients, 2, panel.seed)
    kl = panel.mean(kl_divergence(votes, probabilities))
    return kl, calibrated_kl(panel, votes, probabilities, halves)
