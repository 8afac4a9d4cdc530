"""Simulated patients in beds, whose recordings grow in real time."""

from pathlib import Path

from ictal.core.progress import Progress, silent
from ictal.errors import UsageError
from ictal.io.edf.writer import amplifier_plan
from ictal.live.file_player import FilePlayer
from ictal.live.schedule import checked_speed, play
from ictal.simulator import simulate_recording

MOST_BEDS = 256


def simulate_live(
    out: str | Path,
    *,
    beds: int = 2,
    hours: float = 24.0,
    seed: int = 0,
    speed: float = 1.0,
    progress: Progress = silent,
) -> tuple[Path, ...]:
    """Simulate beds whose recordings grow in real time, as files ``bed-1.edf``, ``bed-2.edf``, ... in a folder.

    Bed N has the samples and annotations of ``ictal.simulate(hours=hours, seed=seed, patient=N)``, and starts now.
    Each episode is annotated when it is over. The function returns when the hours are over. If it is interrupted, the
    files are complete up to then.

    Parameters
    ----------
    out
        Folder for the files; it is created if needed.
    beds
        Number of beds, at most 256.
    hours
        Length of the recordings.
    seed
        Seed of the simulation.
    speed
        Seconds of the recordings per second.
    progress
        Callback with the number of seconds played.

    Returns
    -------
    tuple of Path
        The files, by number of the bed.

    Raises
    ------
    UsageError, SimulationError
        If a value is not allowed.
    RunError
        If one of the files exists.
    WriteError
        If a file cannot be written.

    Examples
    --------
    >>> ictal.simulate_live("ward", beds=4, hours=1, speed=60)
    """
    checked_speed(speed)
    if not 0 < beds <= MOST_BEDS:
        raise UsageError(f"beds is {beds}; allowed are 1 to {MOST_BEDS}")
    recordings = [simulate_recording(seed, bed, hours) for bed in range(1, beds + 1)]
    players = [
        FilePlayer(recording, amplifier_plan(recording), Path(out) / f"bed-{bed}.edf")
        for bed, recording in enumerate(recordings, start=1)
    ]
    play(players, speed, recordings[0].duration_s, progress)
    return tuple(file for player in players for file in player.files)
