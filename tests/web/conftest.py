"""A recording that the viewer itself has scored, and a client of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the viewer's server needs pip install 'ictal[web]'")

from starlette.testclient import TestClient

from ictal.io.edf.writer import write_edf
from ictal.simulator import simulate_recording
from ictal.web import event_stream
from ictal.web.settings import ViewerSettings
from ictal.web.viewer import Viewer
from tests.scoring.helpers import eeg, exported, recording_of
from tests.web.clients import client_of, wait_for

SECONDS = 420


@pytest.fixture(scope="session")
def model() -> Path:
    return exported()


@pytest.fixture(scope="session")
def night(tmp_path_factory) -> Path:
    """Seven minutes of EEG with a step between windows in amplitude and rhythm."""
    path = tmp_path_factory.mktemp("night") / "sub-7_night.edf"
    write_edf(path, recording_of(eeg(SECONDS), name="night"))
    return path


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Path:
    """Three minutes of a patient who has a seizure from 40 to 110 s, for a recorder to write."""
    path = tmp_path_factory.mktemp("whole") / "whole.edf"
    write_edf(path, simulate_recording(1, 15, 0.05))
    return path


@pytest.fixture(scope="session")
def out(night, model, tmp_path_factory) -> Path:
    """Scores that a viewer has made of it."""
    folder = tmp_path_factory.mktemp("out")
    viewer = Viewer(folder, model)
    item = viewer.show(night)
    wait_for(lambda: item.state in ("scored", "failed"))
    assert item.state == "scored", item.reason
    viewer.stop()
    return folder


@pytest.fixture
def viewer(night, model, out, tmp_path) -> Iterator[Viewer]:
    """A viewer of the scored recording, whose votes are its own."""
    for path in out.glob("*_scores.parquet"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    made = Viewer(tmp_path, model, ViewerSettings(upload=True, max_upload_mb=8))
    made.show(night)
    yield made
    made.stop()


@pytest.fixture
def quickly(monkeypatch):
    """Streams look for changes all the time, and show at each look that they are alive."""
    monkeypatch.setattr(event_stream, "TICK_S", 0.0)
    monkeypatch.setattr(event_stream, "HEART_BEAT_TICKS", 1)


@pytest.fixture
def client(viewer) -> TestClient:
    return client_of(viewer)


@pytest.fixture
def base(client) -> str:
    """Where the recording is asked about."""
    return f"/api/recordings/{client.get('/api/recordings').json()[0]['id']}"


def unpacked(answer: bytes) -> tuple[dict[str, Any], np.ndarray]:
    """Return header and values of a binary answer, as the page does."""
    import json

    length = int.from_bytes(answer[:4], "little")
    header = json.loads(answer[4 : 4 + length])
    values = np.frombuffer(answer, "<f4", offset=4 + -(-length // 4) * 4)
    shape = (len(header["rows"]), header["n"], *([2] if header["kind"] == "minmax" else []))
    return header, values.reshape(shape)
