"""All faults at once: an archive whose files, workers, memory, disk and whole run fail, and which ends complete."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.archive import helpers
from tests.archive.dying import MARKS, WHEN

CORRUPTED = 0.05
"""Share of the files that are."""
KILLED = 0.05
"""For this share of the recordings a worker is killed."""
CRASHES = (0.2, 0.6)
"""When this share of the recordings is in the ledger, the whole run is killed."""
FULL_AT = 0.4
"""The disk is full when about this share is written."""
BYTES = 48 << 10
"""What a recording of one window takes on disk, about."""


@dataclass(frozen=True)
class Storm:
    """What happened.

    Attributes
    ----------
    n_recordings, n_bad
        All, and those that cannot be scored.
    n_killed, n_crashes, n_full
        Workers that were killed, runs that were, and runs that met a full disk.
    n_died
        Workers that died while they gave a file its name.
    n_calm
        Recordings that were done only when the storm was over, by `ictal archive retry`.
    seconds
        In all.
    """

    n_recordings: int
    n_bad: int
    n_killed: int
    n_crashes: int
    n_full: int
    n_died: int
    n_calm: int
    seconds: float


@contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[None]:
    """Mount a disk of so many bytes in a folder.

    Raises
    ------
    PermissionError
        If this user may not.
    """
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder)]
    if subprocess.run(mounting, capture_output=True).returncode:
        raise PermissionError("a small disk cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def enlarge(folder: Path) -> None:
    """Give a small disk room."""
    subprocess.run(["mount", "-o", "remount,size=4G", str(folder)], check=True)


def corrupt(paths: list[Path], chance: random.Random) -> None:
    """Damage files in several ways, none of which can be read."""
    for number, path in enumerate(paths):
        content = path.read_bytes()
        garbage = chance.randbytes(len(content))
        path.write_bytes([b"", content[:200], garbage, content[:8] + garbage[8:]][number % 4])


def storm(top: Path, n: int, seed: int = 0) -> Storm:
    """Score so many recordings under all faults, and see that the ledger adds up."""
    begun, chance = time.monotonic(), random.Random(seed)
    source, disk = helpers.make_source(top / "eeg", n - 1), top / "disk"
    files = sorted(source.rglob("*.edf"))
    spoilt = chance.sample([path for path in files if path.stem not in WHEN], round(CORRUPTED * n))
    corrupt(spoilt, chance)
    bad = {str(path.relative_to(source)) for path in [*spoilt, helpers.bomb(source / "bomb.parquet")]}
    recordings = {str(path.relative_to(source)) for path in files} | bad
    (top / "marks").mkdir()
    with small_disk(disk, round(FULL_AT * n * BYTES)):
        n_killed, n_crashes, n_full = _runs(top, source, disk / "out", n, chance)
        calm = _retry(disk / "out", recordings, bad)
        helpers.check_adds_up(disk / "out", recordings, bad)
    n_died = len(list((top / "marks").iterdir()))
    seconds = time.monotonic() - begun
    return Storm(n, len(bad), n_killed, n_crashes, n_full, n_died, calm, seconds)


def _runs(top: Path, source: Path, out: Path, n: int, chance: random.Random) -> tuple[int, int, int]:
    """Run until all recordings have ended; return how often a worker was killed, a run was, and the disk was full."""
    preload = Path(__file__).with_name("dying.py")
    env = os.environ | {MARKS: str(top / "marks"), "DASK_DISTRIBUTED__WORKER__PRELOAD": str(preload)}
    n_killed, crashes, n_full = 0, [round(share * n) for share in CRASHES], 0
    for _ in range(20):
        arguments = helpers.command(source, out, "--memory", "1GiB")
        with (
            (top / "told.txt").open("w") as told,
            subprocess.Popen(arguments, env=env, stderr=told, stdout=told) as running,
        ):
            while running.poll() is None:
                time.sleep(0.05)
                ended = helpers.n_lines(out)
                if crashes and ended >= crashes[0]:
                    crashes.pop(0)
                    running.kill()
                elif n_killed < KILLED * ended:
                    n_killed += _kill_a_worker(running.pid, chance)
        code, said = running.returncode, (top / "told.txt").read_text()
        if code in (0, 3):  # 3: some recordings failed, as they must
            return n_killed, len(CRASHES) - len(crashes), n_full
        if "No space left on device" in said:
            assert code == 1, said
            assert "Traceback" not in said, said
            n_full += 1
            enlarge(out.parent)
        else:
            assert code < 0, said
    raise AssertionError("it does not end")


def _kill_a_worker(pid: int, chance: random.Random) -> int:
    with suppress(psutil.NoSuchProcess):
        workers = helpers.workers_of(psutil.Process(pid))
        if workers:
            chance.choice(workers).kill()
            return 1
    return 0


def _retry(out: Path, recordings: set[str], bad: set[str]) -> int:
    """See that nothing is lost; try again what the storm has put into quarantine, and return how many that are."""
    rows = helpers.ledger(out)
    assert set(rows.index) == recordings
    not_done = set(rows.index[rows["state"] != "done"])
    assert bad <= not_done
    assert set(rows.loc[sorted(not_done - bad), "state"]) <= {"quarantined"}
    assert rows.loc["bomb.parquet", "reason"] == "it needed more memory than a worker has (3 tries)"
    retried = helpers.run(helpers.archive_command("retry", out, "--workers", 1, "--memory", "1GiB"))
    assert retried.returncode == 3, retried.stderr  # the bomb stays in quarantine
    return len(not_done - bad)
