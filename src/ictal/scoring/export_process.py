"""Export a model in a process of its own, ``python -m ictal.scoring.export_process MODEL``.

Torch and its exporter need 0.9 GB, which a process that goes on to score would keep.
"""

import gc
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

from ictal.errors import IctalError, ModelError, WriteError

ERRORS: dict[str, type[IctalError]] = {error.__name__: error for error in (ModelError, WriteError)}


def export_apart(model: Path) -> None:
    """Export a model as `ictal.scoring.export.export_model` does, without loading torch in this process.

    If torch has been loaded, the model is exported here: nothing would be saved, and own arms are known only here.

    Parameters
    ----------
    model
        Folder of the model.

    Raises
    ------
    ModelError, WriteError
        See `ictal.scoring.export.export_model`; also if the process fails.
    """
    if "torch" in sys.modules:
        from ictal.scoring.export import export_model

        export_model(model)
        return
    command = [sys.executable, "-P", "-m", "ictal.scoring.export_process", str(model)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise ModelError(f"{model}: cannot be exported: the process ended with code {done.returncode}: {said}")
    answer = json.loads(done.stdout)
    for warning in answer["warnings"]:
        warnings.warn(warning, stacklevel=2)
    if answer["error"]:
        name, message = answer["error"]
        raise ERRORS[name](message)


def main() -> None:
    """Export the model and print a line of JSON: warnings, and the name and the message of an error."""
    gc.disable()  # modules stay until the end, and looking through them again and again takes a second
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    error = None
    with warnings.catch_warnings(record=True, category=UserWarning) as caught:
        from ictal.scoring.export import export_model

        gc.freeze()
        gc.enable()
        try:
            export_model(Path(sys.argv[1]))
        except tuple(ERRORS.values()) as raised:
            error = type(raised).__name__, str(raised)
    with answers:
        json.dump({"warnings": [str(one.message) for one in caught], "error": error}, answers)
    os._exit(0)  # torch's own end takes 0.1 GB more


if __name__ == "__main__":
    main()
