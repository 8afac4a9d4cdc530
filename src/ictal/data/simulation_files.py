"""Simulated EEG as files: a data set folder, or one recording of hours."""

from pathlib import Path
from typing import Any, overload

from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.data.simulated import SimulatedDataset, write_folder
from ictal.errors import RunError, UsageError
from ictal.io.edf.writer import write_edf
from ictal.simulator import SimulationSettings, simulate_recording


@overload
def simulate(
    out: str | Path | None = None,
    settings: SimulationSettings = ...,
    *,
    hours: float,
    patient: int | None = None,
    progress: Progress = silent,
    **changes: Any,
) -> Recording: ...


@overload
def simulate(
    out: str | Path,
    settings: SimulationSettings = ...,
    *,
    hours: None = None,
    progress: Progress = silent,
    **changes: Any,
) -> Path: ...


@overload
def simulate(
    out: str | Path,
    settings: SimulationSettings = ...,
    *,
    hours: float | None,
    patient: int | None,
    progress: Progress = silent,
    **changes: Any,
) -> Recording | Path: ...


def simulate(
    out: str | Path | None = None,
    settings: SimulationSettings = SimulationSettings(),  # noqa: B008 (frozen)
    *,
    hours: float | None = None,
    patient: int | None = None,
    progress: Progress = silent,
    **changes: Any,
) -> Recording | Path:
    """Simulate EEG: a data set with votes as a folder, or, with `hours`, one recording.

    Parameters
    ----------
    out
        The folder to create, in HMS layout. With `hours`, the EDF file to create, or None for none.
    settings
        Number of patients and EEGs, and the seed. With `hours`, only the seed counts.
    hours
        Length of the recording.
    patient
        Number of the simulated patient, with `hours`; None: 0.
    progress
        Called with the number of EEGs or seconds written.
    **changes
        Single fields of `settings`, such as ``seed=1``.

    Returns
    -------
    Recording or Path
        The recording, with its patterns as annotations; without `hours`, the folder.

    Raises
    ------
    UsageError
        If the arguments cannot be combined.
    RunError
        If `out` already exists and is not an empty folder.

    Examples
    --------
    >>> night = ictal.simulate("night.edf", hours=24, seed=1)
    >>> folder = ictal.simulate("data/sim", patients=50, seed=1)
    """
    chosen = settings.changed(changes)
    if hours is not None:
        if sizes := [name for name in changes if name != "seed"]:
            raise UsageError(f"{' and '.join(sizes)} cannot be combined with hours: one recording is of one patient")
        return _recording(None if out is None else Path(out), chosen.seed, patient or 0, hours, progress)
    if patient is not None:
        raise UsageError("patient selects the patient of one recording, and needs hours; for a folder, give patients")
    if out is None:
        raise UsageError("name the folder to create, or give hours for a recording in memory")
    return _folder(Path(out), chosen, progress)


def _recording(out: Path | None, seed: int, patient: int, hours: float, progress: Progress) -> Recording:
    if out is not None and out.suffix.lower() != ".edf":
        raise UsageError(f"{out}: with hours, the result is an EDF file, and its name must end in .edf")
    if out is not None and out.exists():
        raise RunError(f"{out}: exists; name another file")
    recording = simulate_recording(seed, patient, hours)
    if out is not None:
        write_edf(out, recording, progress)
    return recording


def _folder(out: Path, settings: SimulationSettings, progress: Progress) -> Path:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: exists and is not an empty folder; name another one")
    write_folder(SimulatedDataset(settings), out, progress)
    return out
