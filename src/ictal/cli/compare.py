"""The command that compares tables of predictions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.completion import complete_weight
from ictal.cli.options import JSON, SEED, names_in
from ictal.cli.screen import Results, bar, say

if TYPE_CHECKING:
    from ictal.evaluation import TableComparison

FILES = typer.Argument(metavar="FILES", help="Tables of predictions, CSV or Parquet, with a row per window.")
PATIENTS = typer.Option(
    "--patients", metavar="FILE", help="Table with the patient of each EEG, if the tables do not name them."
)
AVERAGE = typer.Option("--average", help="Also compare the mean of all tables.")
WEIGHTED = typer.Option("--weighted", help="Also compare a weighted mean, with weights fitted on other patients.")
WEIGHT = typer.Option(
    "--weight",
    metavar="UNIT",
    help="Unit that has equal weight: window, eeg or patient.",
    autocompletion=complete_weight,
)
ALLOW_PARTIAL = typer.Option("--allow-partial", help="Leave out windows that are not in all tables, with a note.")
WINDOW = typer.Option(
    "--window-columns", metavar="NAMES", help="Columns that identify a window, separated by commas."
)
EEG = typer.Option("--eeg-column", metavar="NAME", help="Column with the ids of EEGs.")
PATIENT = typer.Option("--patient-column", metavar="NAME", help="Column with the ids of patients.")
VOTES = typer.Option("--vote-columns", metavar="NAMES", help="Six columns of votes, separated by commas.")
PROBABILITIES = typer.Option(
    "--probability-columns", metavar="NAMES", help="Six columns of probabilities, in the same order."
)


def compare(
    files: Annotated[list[Path], FILES],
    patients: Annotated[Path | None, PATIENTS] = None,
    average: Annotated[bool, AVERAGE] = False,
    weighted: Annotated[bool, WEIGHTED] = False,
    weight: Annotated[str, WEIGHT] = "window",
    allow_partial: Annotated[bool, ALLOW_PARTIAL] = False,
    window: Annotated[str | None, WINDOW] = None,
    eeg: Annotated[str, EEG] = "eeg_id",
    patient: Annotated[str, PATIENT] = "patient_id",
    votes: Annotated[str | None, VOTES] = None,
    probabilities: Annotated[str | None, PROBABILITIES] = None,
    seed: Annotated[int, SEED] = 0,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Find out which table of predictions is better.

    Differences come with confidence intervals and tests, by patient.

    Example: ictal compare raw.csv spectrogram.csv --average --patients train.csv
    """
    from ictal.core.labels import VOTE_COLUMNS
    from ictal.evaluation import ColumnNames
    from ictal.evaluation import compare as compare_files

    def columns(text: str | None) -> tuple[str, ...] | None:
        return None if text is None else tuple(names_in(text))

    names = ColumnNames(columns(window), eeg, patient, columns(votes) or VOTE_COLUMNS, columns(probabilities))
    with bar("compare them again from the start") as progress:
        result = compare_files(
            files,
            patients,
            names,
            average=average,
            weighted=weighted,
            weight=weight,
            allow_partial=allow_partial,
            seed=seed,
            progress=progress,
        )
    results = Results(json_file)
    results.give_json(result.to_json())
    _show(results, result)


def _show(results: Results, result: "TableComparison") -> None:
    from ictal.report.verdicts import few_patients_in_words, patients_in_words, verdict_in_words

    for sentence in result.left_out:
        results.show(f"Left out: {sentence}.")
    first = result.tables[0]
    unit = {"window": "window", "eeg": "EEG", "patient": "patient"}[result.weight]
    patients = patients_in_words(first.n_patients, first.evaluation.n_effective)
    results.show(f"{first.n_windows} windows of {patients}; each {unit} has the same weight")
    if warning := few_patients_in_words(first.evaluation.n_effective):
        say(f"Warning: {warning}")
    results.show(*result.summary(), verdict_in_words(result))
