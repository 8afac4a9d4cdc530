"""The parser process, ``python -m ictal.web.upload_parser FILE SAMPLES``: read an untrusted file within limits."""

import json
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.recording import Recording
from ictal.errors import IctalError
from ictal.io import open_recording
from ictal.web.parent_watch import end_with_input
from ictal.web.upload import CHUNK_S, CPU_S, DISK, MEMORY


def limit() -> None:
    """Limit the resources of this process, if the system supports it (not on Windows)."""
    try:
        import resource
    except ImportError:
        return
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, DISK),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def convert(recording: Recording, samples: Path) -> dict[str, Any]:
    """Write the samples as [time, channel], float32, and return the rest of the recording as plain values."""
    step = max(1, round(CHUNK_S * recording.rate_hz))
    with samples.open("wb") as file:
        for start in range(0, recording.n_samples, step):
            chunk = recording.read(start, min(start + step, recording.n_samples))
            np.ascontiguousarray(chunk.T).astype("<f4").tofile(file)
    return {
        "name": recording.name,
        "channels": recording.channels,
        "rate_hz": recording.rate_hz,
        "n_samples": recording.n_samples,
        "start": recording.start.isoformat() if recording.start else None,
        "gaps": [astuple(gap) for gap in recording.gaps],
        "annotations": [astuple(note) for note in recording.annotations],
        "limits_uv": recording.limits_uv,
        "kinds": recording.kinds,
        "notes": recording.all_notes,
    }


def main() -> None:
    """Read and convert a file; if it cannot be read, print the message and exit with code 2."""
    end_with_input()
    limit()
    path, samples = map(Path, sys.argv[1:3])
    try:
        header = convert(open_recording(path), samples)
    except IctalError as error:
        sys.stderr.write(str(error))
        sys.exit(2)
    sys.stdout.write(json.dumps(header))


if __name__ == "__main__":
    main()
