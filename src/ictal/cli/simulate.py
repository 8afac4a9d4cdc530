"""The command that simulates EEG."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ictal.cli.options import SEED
from ictal.cli.screen import Results, bar

OUT = typer.Option("--out", metavar="PATH", help="Folder to create, in HMS layout; with --hours, the EDF file.")
PATIENTS = typer.Option("--patients", min=2, metavar="N", help="Number of patients.", show_default="100")
EEGS = typer.Option("--eegs", min=1, metavar="N", help="EEGs of 50 s per patient.", show_default="5")
HOURS = typer.Option("--hours", metavar="HOURS", help="Write one recording of this length instead.")
PATIENT = typer.Option(
    "--patient", min=0, metavar="N", help="Number of the patient to record, with --hours.", show_default="0"
)


def simulate(
    out: Annotated[Path, OUT],
    patients: Annotated[int | None, PATIENTS] = None,
    eegs: Annotated[int | None, EEGS] = None,
    seed: Annotated[int, SEED] = 0,
    hours: Annotated[float | None, HOURS] = None,
    patient: Annotated[int | None, PATIENT] = None,
) -> None:
    """Simulate EEG: a data set with votes, or one recording.

    'ictal ablate' and 'ictal train' read the data set.

    Example: ictal simulate --out data/sim --patients 50 --seed 1

    Example: ictal simulate --hours 24 --seed 1 --out night.edf
    """
    from ictal.data.simulation_files import simulate as run
    from ictal.simulator import SimulationSettings

    sizes: dict[str, Any] = {
        name: n for name, n in (("patients", patients), ("eegs_per_patient", eegs)) if n is not None
    }
    with bar("start again") as progress:
        made = run(out, hours=hours, patient=patient, progress=progress, seed=seed, **sizes)
    if isinstance(made, Path):
        settings = SimulationSettings().changed(sizes)
        n_eegs = settings.patients * settings.eegs_per_patient
        Results().show("Files:", f"  {made / 'train.csv'}", f"  {made / 'train_eegs'} ({n_eegs} EEGs)")
        return
    length = f"{made.duration_s / 3600:.6g} hours, {len(made.annotations)} annotated episodes"
    Results().show(f"EDF: {out} ({length})")
