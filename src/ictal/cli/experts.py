"""The command that compares a model with experts."""

from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.options import JSON, SEED
from ictal.cli.screen import Results, say

FILE = typer.Argument(
    metavar="FILE",
    help="Labels per expert and a model's probabilities: CSV or Parquet (window_id, six probabilities, a "
    "column per expert with names of patterns or empty cells), or .npz (labels, classes, probability).",
)
MIN_OTHERS = typer.Option("--min-others", min=1, metavar="N", help="Labels of other experts that a window needs.")


def experts(
    file: Annotated[Path, FILE],
    min_others: Annotated[int, MIN_OTHERS] = 3,
    seed: Annotated[int, SEED] = 0,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Compare a model's agreement with that of each expert.

    The model takes the place of each expert in turn: which of the two agrees better with the other experts?

    Example: ictal experts labels.csv
    """
    from ictal.evaluation import compare_with_experts
    from ictal.report.verdicts import few_patients_in_words

    result = compare_with_experts(file, min_others=min_others, seed=seed)
    results = Results(json_file)
    results.show(result.summary())
    results.show(f"KL of the votes from the model's probabilities: {result.kl}.")
    for name, kl in result.calibrated.items():
        results.show(f"After calibration ({name}), fitted on the other half: {kl}.")
    if result.left_out:
        results.show(f"Left out, because they have too few labels: {', '.join(result.left_out)}.")
    results.show(
        f"Median kappa of the experts with the others: {result.expert}; of the model instead: {result.model}."
    )
    results.show(
        f"Median difference: {result.difference}; the model agrees better than the expert in "
        f"{result.n_better.value:.0f} of {len(result.rows)} cases. Resampled: {result.resampled} "
        f"(effective number {result.n_effective:.1f})."
    )
    if warning := few_patients_in_words(result.n_effective, result.resampled):
        say(f"Warning: {warning}")
    results.give_json(result.to_json())
