"""Damaged files of vendors: each must end in a recording or an error. A slice of what benchmarks/fuzz.py does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
FORMATS = {"natus": "natus_erd"}
"""Vendor formats of benchmarks/fuzz.py, and the module that each needs."""


def outcomes(kind: str, *options: str) -> dict[str, int]:
    """Return how many damaged files ended how."""
    pytest.importorskip(FORMATS[kind])
    command = [sys.executable, PROJECT / "benchmarks" / "fuzz.py", "--formats", kind, *options]
    paths = os.pathsep.join((str(PROJECT / "src"), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stdout + done.stderr
    return {word: int(count) for count, word in (line.split(maxsplit=1) for line in done.stdout.splitlines())}


@pytest.mark.parametrize("kind", FORMATS)
def test_fifty_damaged_files_end_in_a_recording_or_an_error(kind):
    found = outcomes(kind, "--n", "50", "--seed", "5")
    assert sum(found.values()) == 50
    assert min(found["recording"], found["error: ReadError"]) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_in_the_process_with_limits(kind):
    found = outcomes(kind, "--n", "12", "--seed", "6", "--guarded")
    assert sum(found.values()) == 12
    assert min(found["recording"], found["error: ReadError"]) >= 2


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", FORMATS)
def test_five_thousand_damaged_files_end_in_a_recording_or_an_error(kind):
    assert sum(outcomes(kind, "--n", "5000").values()) == 5000
