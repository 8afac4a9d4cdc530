"""The parser process, ``python -m ictal.web.upload_parser FILE SAMPLES``: read an untrusted file within limits."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.child_process import end_with_input, limit_resources
from ictal.core.recording import Recording
from ictal.core.recording_header import header_of
from ictal.errors import IctalError
from ictal.io import open_recording
from ictal.web.upload import CHUNK_S, CPU_S, DISK, MEMORY


def convert(recording: Recording, samples: Path) -> dict[str, Any]:
    """Write the samples as [time, channel], float32, and return the rest of the recording as plain values."""
    step = max(1, round(CHUNK_S * recording.rate_hz))
    with samples.open("wb") as file:
        for start in range(0, recording.n_samples, step):
            chunk = recording.read(start, min(start + step, recording.n_samples))
            np.ascontiguousarray(chunk.T).astype("<f4").tofile(file)
    return header_of(recording)


def main() -> None:
    """Read and convert a file; if it cannot be read, print the message and exit with code 2."""
    end_with_input()
    limit_resources(AS=MEMORY, CPU=CPU_S, FSIZE=DISK, CORE=0)
    path, samples = map(Path, sys.argv[1:3])
    try:
        header = convert(open_recording(path), samples)
    except IctalError as error:
        sys.stderr.write(str(error))
        sys.exit(2)
    sys.stdout.write(json.dumps(header))


if __name__ == "__main__":
    main()
