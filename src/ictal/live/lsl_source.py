"""A stream of the Lab Streaming Layer (LSL) as a recording that grows: it is recorded into a file."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

from ictal.core.recording import Recording
from ictal.io.growing import GrowingFile
from ictal.live.lsl import find_stream
from ictal.live.lsl_recorder import LslRecorder


class LslSource:
    """Records a stream from now on, until it is closed.

    Parameters
    ----------
    stream
        Name of the stream.
    folder
        Folder for the file; see `LslRecorder`.

    Raises
    ------
    UsageError, ReadError, WriteError
        If there is no such stream, or it cannot be recorded.
    """

    closed = ended = False
    """A stream that pauses may go on, so it never ends."""

    def __init__(self, stream: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"LSL stream '{stream}'"
        self._recorder = LslRecorder(find_stream(stream), folder)
        self._file, self._stop = GrowingFile(self._recorder.path), Event()
        self._pool = ThreadPoolExecutor(1, "lsl")
        self._work = self._record()

    @property
    def files(self) -> tuple[Path, ...]:
        """The file into which it is recorded."""
        return self._file.files

    def now(self) -> Recording | None:
        """Return what is recorded so far; see `ictal.io.growing.Growing.now`.

        Raises
        ------
        ReadError, WriteError
            If recording failed; it is tried again.
        """
        if self._work.done():
            failed, self._work = self._work, self._record()
            failed.result()
        return self._file.now()

    def close(self) -> None:
        """End the recording."""
        self._stop.set()
        self._pool.shutdown()

    def _record(self) -> "Future[None]":
        return self._pool.submit(self._recorder.run, self._stop)
