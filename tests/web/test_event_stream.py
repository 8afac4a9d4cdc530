"""Streams of server-sent events: what they tell and when, and that they end with the server and block nobody."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

import pytest

from ictal.web import schemas
from ictal.web.ending import Ending
from ictal.web.event_stream import events
from tests.web.test_security import refused

ALIVE = ": alive\n\n"


def told(changes: Iterator[Any], *between: Callable[[], Any]) -> list[Any]:
    """Return the data of a stream's first event, and of one after each act; before it, there is a heart-beat."""

    async def follow() -> list[Any]:
        stream = events(changes, Ending())
        found = [await anext(stream)]
        for act in between:
            assert await anext(stream) == ALIVE
            act()
            found.append(await anext(stream))
        await stream.aclose()
        return found

    said = asyncio.run(follow())
    assert all(event.startswith("data: ") and event.endswith("\n\n") for event in said)
    return [json.loads(event.removeprefix("data: ")) for event in said]


@pytest.mark.usefixtures("quickly")
class TestRecordings:
    def test_first_comes_the_list_then_the_list_whenever_it_has_changed(self, viewer, client):
        (item,) = viewer.library
        lists = told(viewer.changes(), lambda: item.fail("no model"), lambda: setattr(item, "done", 60.0))
        assert [[(one["state"], one["done"]) for one in each] for each in lists] == [
            [("scored", 420.0)], [("failed", 420.0)], [("failed", 60.0)],
        ]  # fmt: skip
        assert lists[-1] == client.get("/api/recordings").json()
        assert all({*one} == {*schemas.RecordingSummary.model_fields} for each in lists for one in each)

    def test_a_recording_that_is_added_is_told(self, viewer, night, tmp_path):
        other = tmp_path / "other.edf"
        other.write_bytes(night.read_bytes())
        first, second = told(viewer.changes(), lambda: viewer.show(other))
        assert [one["name"] for one in second] == [first[0]["name"], "other.edf"]

    def test_who_connects_again_gets_the_list_again(self, viewer):
        assert told(viewer.changes()) == told(viewer.changes())

    def test_it_ends_with_the_server(self, viewer, client):
        viewer.ending.begin()
        answer = client.get("/api/recordings/stream")
        assert (answer.status_code, answer.text) == (200, "")
        assert answer.headers["content-type"].startswith("text/event-stream")

    def test_it_needs_the_token(self):
        assert refused("/api/recordings/stream", x_ictal_token=None) == 401
        assert refused("/api/recordings/stream", origin="http://elsewhere.example") == 403


@pytest.mark.usefixtures("quickly")
def test_changes_that_must_be_waited_for_hold_up_nobody_else():
    free = Event()

    def changes() -> Iterator[str]:
        assert free.wait(60)
        yield "free"

    async def follow() -> str:
        first = asyncio.ensure_future(anext(events(changes(), Ending())))
        await asyncio.sleep(0)  # the stream begins to wait, and this goes on
        free.set()
        return await first

    assert asyncio.run(follow()) == 'data: "free"\n\n'


class TestEnding:
    def test_it_is_near_when_the_server_was_told_to_end(self):
        ending, server = Ending(), SimpleNamespace(should_exit=False)
        ending.watch(server)
        assert not ending.is_near
        server.should_exit = True
        assert ending.is_near

    @pytest.mark.parametrize("before", [True, False])
    def test_it_ends_a_server_also_one_that_only_begins(self, before):
        ending, server = Ending(), SimpleNamespace(should_exit=False)
        steps = [ending.begin, lambda: ending.watch(server)]
        for step in steps if before else reversed(steps):
            step()
        assert ending.is_near
        assert server.should_exit

    @pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
    def test_a_signal_ends_open_streams_and_none_is_cut_off(self, tmp_path, number, code):
        command = [sys.executable, "-m", "ictal", "view", "--upload", "--out", str(tmp_path), "--no-browser"]
        wide = {**os.environ, "COLUMNS": "300"}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=wide) as server:
            try:
                address, token = re.findall(r"(http://[\w.:]+)/\?token=([\w-]+)", server.stderr.readline())[0]
                request = Request(f"{address}/api/recordings/stream", headers={"X-Ictal-Token": token})
                with urlopen(request, timeout=30) as stream:
                    assert stream.readline() == b"data: []\n"
                    server.send_signal(number)
                    assert stream.read().replace(ALIVE.encode(), b"") == b"\n"  # it is complete
                wrong = server.communicate(timeout=30)[1]
                assert server.returncode == code
                assert not re.search("Cancel|Traceback", wrong), wrong
            finally:
                server.kill()
