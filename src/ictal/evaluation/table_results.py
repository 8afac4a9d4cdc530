"""The results of comparing prediction tables: figures of each table, and differences."""

from dataclasses import dataclass
from math import isnan
from typing import Any

from ictal.core.summary_table import SummaryTable, html_of
from ictal.evaluation.bootstrap import Estimate
from ictal.evaluation.differences import Difference
from ictal.evaluation.evaluate import Evaluation
from ictal.evaluation.metric_table import MEASURES


@dataclass(frozen=True)
class TableResult:
    """The figures of one table.

    Attributes
    ----------
    evaluation
        All figures, over the compared windows.
    calibrated
        KL divergence after calibrations that were fitted on other patients, by name of the calibration.
    n_windows_all, kl_all
        Over all common windows, including those of unknown patients; `kl_all` is None if patients have equal weight.
    """

    name: str
    evaluation: Evaluation
    calibrated: dict[str, Estimate]
    n_windows_all: int
    kl_all: float | None

    @property
    def n_windows(self) -> int:
        """Number of compared windows."""
        return self.evaluation.n_windows

    @property
    def n_patients(self) -> int:
        """Number of patients of the compared windows."""
        return self.evaluation.n_patients

    @property
    def kl(self) -> Estimate:
        """Mean KL divergence with its confidence interval."""
        return self.evaluation.kl


@dataclass(frozen=True)
class TableComparison:
    """The figures of all tables, and the differences of all pairs.

    Attributes
    ----------
    ensemble
        The weights of the table 'weighted' for each group of patients; they were fitted on the other groups.
    weight
        One of `WEIGHTS`.
    left_out
        Sentences about windows that were left out.
    """

    tables: tuple[TableResult, ...]
    differences: tuple[Difference, ...]
    ensemble: dict[str, list[float]]
    weight: str
    left_out: tuple[str, ...]
    n_resamples: int
    seed: int

    def summary(self) -> list[SummaryTable]:
        """Return the tables of KL, of the other measures, and of the differences where there are several tables."""
        first = self.tables[0]
        partial = first.n_windows_all > first.n_windows and first.kl_all is not None
        kl = SummaryTable(
            ("table", "KL", *([f"KL of all {first.n_windows_all}"] if partial else [])),
            tuple((one.name, f"{one.kl:.4f}", *([f"{one.kl_all:.4f}"] if partial else [])) for one in self.tables),
        )
        return [kl, self._measures(), *([self._pairs()] if self.differences else [])]

    def _repr_html_(self) -> str:
        first = self.tables[0]
        left_out = (f"Left out: {sentence}." for sentence in self.left_out)
        return html_of(*left_out, f"{first.n_windows} windows of {first.n_patients} patients", *self.summary())

    def _measures(self) -> SummaryTable:
        rows: list[tuple[str, ...]] = []
        for name, measure in MEASURES.items():
            if name != "kl":
                found = [one.evaluation.measures[name] for one in self.tables]
                rows.append((measure.title, *("–" if isnan(one.value) else f"{one.value:.3f}" for one in found)))
        for name in self.tables[0].calibrated:
            rows.append((f"KL after {name}", *(f"{one.calibrated[name].value:.4f}" for one in self.tables)))
        return SummaryTable(("measure", *(one.name for one in self.tables)), tuple(rows))

    def _pairs(self) -> SummaryTable:
        rows = []
        for row in self.differences:
            detectable = "–" if row.detectable is None else f"{row.detectable:.4f}"
            numbers = (f"{row.estimate:.4f}", f"{row.p:.4f}", f"{row.p_holm:.4f}", detectable)
            rows.append((f"{row.a} − {row.b}", *numbers))
        return SummaryTable(("difference of KL", "estimate", "p", "p (Holm)", "detectable"), tuple(rows))

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        return {
            "weight": self.weight,
            "n_resamples": self.n_resamples,
            "seed": self.seed,
            "left_out": list(self.left_out),
            "tables": [
                {
                    "name": table.name,
                    "n_windows": table.n_windows,
                    "n_patients": table.n_patients,
                    "n_effective_patients": table.evaluation.n_effective,
                    "kl": table.kl.value,
                    "kl_interval": table.kl.interval,
                    "calibrated_kl": {name: [row.value, row.interval] for name, row in table.calibrated.items()},
                    "evaluation": table.evaluation.to_json(),
                    "n_windows_all": table.n_windows_all,
                    "kl_all": table.kl_all,
                }
                for table in self.tables
            ],
            "ensemble": self.ensemble,
            "differences": [difference.to_json() for difference in self.differences],
        }
