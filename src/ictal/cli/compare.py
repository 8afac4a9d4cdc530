"""The command that compares tables of predictions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.completion import complete_weight
from ictal.cli.options import JSON, SEED, names_in
from ictal.cli.screen import Results, bar, say

if TYPE_CHECKING:
    from ictal.evaluation import TableComparison

COLUMN, COLUMNS = "NAME", "NAMES"


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES", help="Tables of predictions, CSV or Parquet, with a row per window."),
    ],
    patients: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Table with the patient of each EEG, if the tables do not name them."),
    ] = None,
    average: Annotated[bool, typer.Option("--average", help="Compare the mean of all tables as well.")] = False,
    weighted: Annotated[
        bool,
        typer.Option("--weighted", help="Compare a mean with weights fitted on other patients as well."),
    ] = False,
    weight: Annotated[
        str,
        typer.Option(
            metavar="UNIT",
            help="What has the same weight: each window, eeg or patient.",
            autocompletion=complete_weight,
        ),
    ] = "window",
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Leave out windows that are not in all tables, with a note.")
    ] = False,
    window: Annotated[
        str | None,
        typer.Option(
            "--window-columns", metavar=COLUMNS, help="Columns that identify a window, separated by commas."
        ),
    ] = None,
    eeg: Annotated[str, typer.Option("--eeg-column", metavar=COLUMN, help="Column of the EEG.")] = "eeg_id",
    patient: Annotated[
        str, typer.Option("--patient-column", metavar=COLUMN, help="Column of the patient.")
    ] = "patient_id",
    votes: Annotated[
        str | None,
        typer.Option("--vote-columns", metavar=COLUMNS, help="Six columns of votes, separated by commas."),
    ] = None,
    probabilities: Annotated[
        str | None,
        typer.Option(
            "--probability-columns", metavar=COLUMNS, help="Six columns of probabilities, in the same order."
        ),
    ] = None,
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
