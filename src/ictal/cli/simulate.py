"""The command that simulates EEG."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ictal.cli.options import SEED, SPEED
from ictal.cli.screen import Results, bar
from ictal.errors import UsageError

OUT = typer.Option(
    "--out",
    metavar="PATH",
    help="Folder to create, in HMS layout; with --hours, the EDF file; with --live, a folder.",
)
PATIENTS = typer.Option("--patients", min=2, metavar="N", help="Number of patients.", show_default="100")
EEGS = typer.Option("--eegs", min=1, metavar="N", help="EEGs of 50 s per patient.", show_default="5")
HOURS = typer.Option("--hours", metavar="HOURS", help="Write one recording of this length; with --live, each.")
PATIENT = typer.Option(
    "--patient", min=0, metavar="N", help="Number of the patient to record, with --hours.", show_default="0"
)
LIVE = typer.Option(
    "--live", help="Write the recordings of beds in real time, until their hours are over (24 without --hours)."
)
BEDS = typer.Option(
    "--beds", min=1, metavar="N", help="Beds with --live: bed-1.edf is patient 1, and so on.", show_default="2"
)


def simulate(
    out: Annotated[Path, OUT],
    patients: Annotated[int | None, PATIENTS] = None,
    eegs: Annotated[int | None, EEGS] = None,
    seed: Annotated[int, SEED] = 0,
    hours: Annotated[float | None, HOURS] = None,
    patient: Annotated[int | None, PATIENT] = None,
    live: Annotated[bool, LIVE] = False,
    beds: Annotated[int | None, BEDS] = None,
    speed: Annotated[float | None, SPEED] = None,
) -> None:
    """Simulate EEG: a data set with votes, one recording, or beds that are being recorded.

    'ictal ablate' and 'ictal train' read the data set. Ctrl-C ends a live simulation, and leaves complete files.

    Example: ictal simulate --out data/sim --patients 50 --seed 1

    Example: ictal simulate --hours 24 --seed 1 --out night.edf

    Example: ictal simulate --live --beds 4 --hours 2 --speed 10 --out ward
    """
    own = (
        {"--patients": patients, "--eegs": eegs, "--patient": patient} if live else {"--beds": beds, "--speed": speed}
    )
    if wrong := [name for name, value in own.items() if value is not None]:
        raise UsageError(f"{' and '.join(wrong)} {'cannot be combined with' if live else 'needs'} --live")
    if live:
        _live(out, {"beds": beds, "hours": hours, "speed": speed, "seed": seed})
    else:
        _stored(out, patients, eegs, seed, hours, patient)


def _live(out: Path, settings: dict[str, Any]) -> None:
    from ictal.live.simulated_ward import simulate_live

    given = {name: value for name, value in settings.items() if value is not None}
    with bar(again="") as progress:
        simulate_live(out, **given, progress=progress)
    Results().show(f"Beds: {out}")


def _stored(
    out: Path, patients: int | None, eegs: int | None, seed: int, hours: float | None, patient: int | None
) -> None:
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
