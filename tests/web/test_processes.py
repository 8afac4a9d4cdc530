"""Processes beside the server end with it, however it ends and whatever they are doing."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.web.clients import wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def number_in(path: Path) -> int:
    """Return the number of the process that a file names, 0 where it names none yet."""
    return int(path.read_text() or 0) if path.exists() else 0


@pytest.mark.parametrize(
    ("how", "codes"),
    [
        (signal.SIGINT, {0}),
        pytest.param(signal.SIGTERM, {143}, marks=pytest.mark.slow),
        (signal.SIGKILL, {-9}),
    ],
)
def test_the_process_that_holds_a_model_ends_with_the_server(tmp_path, how, codes):
    command = [sys.executable, "-m", "tests.web.waiting", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            said = server.stdout.readline()
            assert said.startswith("Open http://127.0.0.1"), said + server.stderr.read()
            child = wait_for(lambda: number_in(tmp_path / "waits"))
            assert is_alive(child)
            with urlopen(said.split()[-1]) as page:  # it has begun to serve
                assert page.status == 200
            server.send_signal(how)
            wait_for(lambda: not is_alive(child), seconds=30)
            wrong = server.communicate(timeout=30)[1]
            assert (server.returncode in codes, "Traceback" in wrong) == (True, False), wrong
        finally:
            server.kill()


PARSER = """
    import os, sys, time
    from pathlib import Path
    from ictal.web import upload_parser as parse

    def never(path):
        Path(path).with_suffix(".pid").write_text(str(os.getpid()))
        while True:
            time.sleep(0.05)

    parse.open_recording = never
    parse.main()
"""
PARENT = """
    import sys
    from pathlib import Path
    from ictal.web import upload

    class Python:
        # Starts our parser, which never ends, where the real one is asked for.
        def __call__(self, command, **more):
            return popen([sys.executable, "-c", sys.argv[2], *command[3:]], **more)

    popen, parsers = upload.subprocess.Popen, upload.UploadParsers()
    upload.subprocess.Popen = Python()
    parsers.parse(Path(sys.argv[1]), "a.edf")
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_parser_of_a_file_that_was_sent_ends_with_the_server(tmp_path, how):
    scripts = [textwrap.dedent(each) for each in (PARENT, PARSER)]
    command = [sys.executable, "-c", scripts[0], str(tmp_path / "a.edf"), scripts[1]]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            child = wait_for(lambda: number_in(tmp_path / "a.pid"))
            server.send_signal(how)
            wait_for(lambda: not is_alive(child), seconds=30)
        finally:
            server.kill()


def test_a_viewer_that_stops_ends_the_parser(tmp_path, monkeypatch):
    import threading

    from ictal.errors import ReadError
    from ictal.web import upload

    parsers, said, waits = upload.UploadParsers(), [], threading.Event()

    class Endless(subprocess.Popen):
        def __init__(self, _, **more) -> None:
            super().__init__([sys.executable, "-c", "import time; time.sleep(600)"], **more)

        def communicate(self, *args, **more):
            waits.set()
            return super().communicate(*args, **more)

    monkeypatch.setattr(upload.subprocess, "Popen", Endless)

    def parse() -> None:
        with pytest.raises(ReadError) as caught:
            parsers.parse(tmp_path / "a.edf", "a.edf")
        said.append(str(caught.value))

    parsing = threading.Thread(target=parse)
    parsing.start()
    assert waits.wait(60)
    parsers.stop()
    parsing.join(30)
    assert "'a.edf': cannot be read" in said[0]
