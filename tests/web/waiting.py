"""What stands in for the process that holds a model, in the midst of an answer that takes for ever."""

import time
from multiprocessing.connection import Connection
from pathlib import Path

from ictal.web.worker_process import serve_requests


class Slow:
    """An explainer that never comes to an end; it says by a file of which name it runs in which process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ask(self, *_: object, **__: object) -> None:
        """Wait for ever, after having said who waits."""
        import os

        (self.folder / "waits").write_text(str(os.getpid()))
        while True:
            time.sleep(0.05)


def answer_for_ever(line: Connection, folder: Path, files: tuple[tuple[str, Path], ...]) -> None:
    """Answer as the program does, but by the slow explainer."""
    import sys
    from types import ModuleType

    stand_in = ModuleType("ictal.web.explainer")
    stand_in.Explainer = Slow  # type: ignore[attr-defined]
    sys.modules["ictal.web.explainer"] = stand_in
    serve_requests(line, folder, files)


def serve_while_busy(folder: Path) -> None:
    """Serve a viewer while the process beside it is in the midst of an answer."""
    import threading
    from contextlib import suppress

    from ictal.errors import IctalError
    from ictal.web import worker_process
    from ictal.web.model_pool import ModelProcess
    from ictal.web.serve import serve
    from ictal.web.viewer import Viewer

    worker_process.serve_requests = answer_for_ever
    viewer = Viewer(folder / "out")
    mind = viewer._models._models["x"] = ModelProcess(folder, "x", viewer.workers["models"])

    def ask() -> None:
        with suppress(IctalError):  # that it was ended
            mind._helper.ask("export")

    threading.Thread(target=ask, daemon=True).start()
    serve(viewer, "127.0.0.1", 0, browser=False, say=lambda text: print(text, flush=True))


if __name__ == "__main__":
    import sys

    serve_while_busy(Path(sys.argv[1]))
