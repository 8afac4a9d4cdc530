"""List the files of ictal whose functions run on the way from an EDF file to its first probabilities.

A profile hook sees every Python function of ictal that is called, in all threads, from `ictal.score("x.edf")` until
the engine first returns. Imports are left out: they run no step of the way. Files that run while the model is found
and opened are listed apart, since no sample passes through them.
"""

import argparse
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import ictal
from ictal.io.edf.writer import write_edf
from ictal.models.hub import find_model
from ictal.scoring.engines import open_engine
from ictal.simulator import simulate_recording

PACKAGE = str(Path(ictal.__file__).parent)
VOCABULARY = ("core/", "errors.py")
"""Types, constants and errors that every package shares; the table counts files with and without them."""
OPENS_MODEL = ("find_model", "open_engine")
ENGINES = "scoring/engines/"


@dataclass
class Tracer:
    """Calls of functions of ictal, in order.

    Attributes
    ----------
    calls
        How often each function was called, by file and name, in the order of the first calls.
    opening
        The same, while the model was opened.
    """

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    opening: Counter[tuple[str, str]] = field(default_factory=Counter)
    done: bool = False
    _local: threading.local = field(default_factory=threading.local)

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Count a call; see `sys.setprofile`."""
        if self.done or event not in ("call", "return"):
            return
        file, name = frame.f_code.co_filename, frame.f_code.co_qualname
        step = 1 if event == "call" else -1
        local = self._local.__dict__
        if name == "<module>":  # whatever an import calls is not on the way
            local["importing"] = local.get("importing", 0) + step
        if local.get("importing", 0) > 0 or name == "<module>" or not file.startswith(PACKAGE):
            return
        place = Path(file).relative_to(PACKAGE).as_posix()
        if name in OPENS_MODEL:
            local["opening"] = local.get("opening", 0) + step
        if event == "call":
            opens = local.get("opening", 0) > 0 or name in OPENS_MODEL
            (self.opening if opens else self.calls)[place, name.replace(".<locals>", "")] += 1
        elif place.startswith(ENGINES) and name.endswith("Engine.__call__"):
            self.done = True

    def run(self, recording: Path, model: str) -> None:
        """Score a recording and keep what is called until the first probabilities."""
        score = ictal.score
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            score(recording, model)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def files_of(calls: Counter[tuple[str, str]]) -> list[str]:
    """Return the files in the order in which they are first reached."""
    return list(dict.fromkeys(file for file, _ in calls))


def is_vocabulary(file: str) -> bool:
    """Say whether a file only holds what every package shares."""
    return file.startswith(VOCABULARY)


def show(title: str, calls: Counter[tuple[str, str]], *, functions: bool) -> None:
    """Print the files, and their functions where wanted, with the two counts."""
    files = files_of(calls)
    own = [file for file in files if not is_vocabulary(file)]
    print(f"\n{title}: {len(files)} files, {len(own)} without core/ and errors.py; {len(calls)} functions")
    for number, file in enumerate(files, 1):
        called = [name for place, name in calls if place == file and not name.endswith(("<genexpr>", "<lambda>"))]
        print(f"{number:3d}  {file}" + (f": {', '.join(called)}" if functions else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", nargs="?", type=Path, help="An EDF file; by default, six simulated minutes.")
    parser.add_argument("--model", default="default")
    parser.add_argument("--functions", action="store_true", help="Also list the functions of each file.")
    options = parser.parse_args()
    tracer = Tracer()
    with tempfile.TemporaryDirectory() as folder:
        recording = options.recording or Path(folder) / "x.edf"
        if options.recording is None:
            write_edf(recording, simulate_recording(1, 0, 0.1))
        open_engine(find_model(options.model))  # exports the model where that is still to be done
        tracer.run(recording, options.model)
    show("From an EDF file to its first probabilities", tracer.calls, functions=options.functions)
    show("To find and open the model, before the first sample", tracer.opening, functions=options.functions)


if __name__ == "__main__":
    main()
