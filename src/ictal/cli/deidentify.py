"""The command that removes what identifies a patient."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ictal.cli.options import JSON
from ictal.cli.screen import Results, bar, for_each, say

if TYPE_CHECKING:
    from ictal.deidentification.removal import Deidentified

MOST_KEPT = 30
"""Kept texts that are printed for each recording; --json has all."""

FILES = typer.Argument(metavar="FILES", help="Recordings in EDF, EDF+, BDF or BDF+.")
OUT = typer.Option("--out", metavar="FOLDER", help="Folder of the new files, which get new names.")
KEY = typer.Option(
    "--key",
    metavar="FILE",
    help="CSV file with the new code and the shift of dates of each patient. Keep it secret, and apart from the "
    "new files. A dry run needs none.",
)
NEW_KEY = typer.Option("--new-key", help="Create the key file; an existing one is an error.")
PATIENT = typer.Option(
    "--patient",
    metavar="TEXT",
    help="Names and numbers of the patient of all files, if their headers do not state them: 'Smith, John, 123456'.",
)
ALSO = typer.Option(
    "--also", metavar="FILE", help="Text file with further words to remove, one per line, such as names of staff."
)
DATES = typer.Option(
    "--dates", metavar="HOW", help="shift: by the patient's number of days; remove: state no date. Times of day stay."
)
RESULTS = typer.Option(
    "--results",
    metavar="FOLDER",
    help="Results of 'ictal score', 'ictal view' or 'ictal score-archive' for these recordings; they are written "
    "under the new names to a folder beside --out.",
)
DRY_RUN = typer.Option("--dry-run", help="Only report what would be removed and kept; write nothing.")


def deidentify(
    files: Annotated[list[Path], FILES],
    out: Annotated[Path, OUT],
    key: Annotated[Path | None, KEY] = None,
    new_key: Annotated[bool, NEW_KEY] = False,
    patient: Annotated[str, PATIENT] = "",
    also: Annotated[Path | None, ALSO] = None,
    dates: Annotated[str, DATES] = "shift",
    results_folder: Annotated[Path | None, RESULTS] = None,
    dry_run: Annotated[bool, DRY_RUN] = False,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Copy recordings without what identifies the patient.

    The samples stay as they are. The output of this command names the patient, and lists every annotation that is
    kept, which you should read.

    Example: ictal deidentify night.edf --out shared --dry-run

    Example: ictal deidentify night.edf --out shared --key key.csv --new-key
    """
    from ictal.deidentification.deidentify import DeidentifySettings, check_apart
    from ictal.deidentification.deidentify import deidentify as work
    from ictal.deidentification.identifiers import read_list
    from ictal.deidentification.key_file import create_key, key_warning
    from ictal.errors import UsageError

    if json_file and json_file != "-":
        report = Path(json_file)
        check_apart(report, out)
        if report.resolve() in {one.resolve() for one in (key, also, *files) if one}:
            raise UsageError(f"{report}: is used already; name another file with --json")
    if key:
        check_apart(key, out)
    words = read_list(also) if also else ()
    settings = DeidentifySettings().changed(
        {"patient": patient, "also": words, "dates": dates, "dry_run": dry_run, "results": results_folder}
    )
    if new_key and key is not None and not dry_run:
        create_key(key)
    if key is not None and key.exists() and (warning := key_warning(key)):
        say(f"Warning: {warning}.")
    used = None if new_key and dry_run else key
    results = Results(json_file)
    with bar("continue; copies that are complete stay, and are not made again") as progress:

        def one(file: Path) -> dict[str, Any]:
            done = work(file, out, used, settings, progress=progress)
            _show(done, results)
            return done.to_json()

        for_each(files, one, results)


def _show(done: "Deidentified", results: Results) -> None:
    from ictal.deidentification.removal import kept_lines

    verb = "would become" if done.dry_run else "→"
    results.show(f"{done.source} {verb} {done.out}", done.to_table())
    kept = kept_lines(done.kept, MOST_KEPT)
    results.show(
        "Kept annotations; read them, since a name may be among them:" if kept else "No annotation was kept."
    )
    results.show(*kept)
    if done.kept_labels:
        results.show(f"Kept labels that are no known electrodes: {', '.join(done.kept_labels)}")
    results.show(*(f"note: {note}" for note in done.notes))
    if done.results:
        results.show("Results that would be written:" if done.dry_run else "Results:")
        results.show(*(f"  {path}" for path in done.results))
