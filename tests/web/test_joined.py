"""A joined recording in the viewer: one recording, whose votes belong to the content of all pieces."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import ictal
from ictal.errors import ReadError
from ictal.io.edf.writer import write_edf
from ictal.io.joined import Piece
from ictal.io.recording_files import recording_hash
from ictal.web import serve
from ictal.web.identity import ChangedError
from ictal.web.viewer import Viewer
from ictal.web.vote_export import manifest_of
from ictal.web.votes import Vote
from tests.scoring.helpers import eeg, recording_of
from tests.web.clients import client_of, wait_for

START = datetime(2024, 2, 29, 22)


@pytest.fixture
def pieces(tmp_path) -> list[Path]:
    """Two minutes of EEG in two files."""
    paths = [tmp_path / "eeg" / f"night_{number}.edf" for number in (1, 2)]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        write_edf(path, recording_of(eeg(60, seed=number), start=START + timedelta(minutes=number)))
    return paths


def shown(pieces: list[Path], out: Path, monkeypatch: pytest.MonkeyPatch) -> Viewer:
    """Return the viewer that `ictal.view` would serve."""
    calls: list[Viewer] = []
    monkeypatch.setattr(serve, "serve", lambda viewer, *_, **__: calls.append(viewer))
    assert ictal.view(pieces[::-1], out=out, join=True) == 0
    return calls[0]


def test_pieces_are_one_recording_whose_votes_survive_a_restart(pieces, tmp_path, monkeypatch):
    out = tmp_path / "out"
    viewer = shown(pieces, out, monkeypatch)
    (item,) = viewer.library
    wait_for(lambda: item.state in ("scored", "failed"))
    assert (item.title, item.state) == ("night", "scored")
    assert item.content == recording_hash(*pieces)
    assert [path.name for path in out.glob("*.parquet")] == ["night_scores.parquet"]
    client = client_of(viewer)
    client.post("/api/raters", json={"name": "Ada"})
    for time_s in (25, 95):
        ballot = {"rater": "Ada", "time_s": time_s, "pattern": "lpd"}
        assert client.post(f"/api/recordings/{item.id}/votes", json=ballot).status_code == 200
    rows = viewer.manifest()
    assert rows["file"].tolist() == [str(path) for path in pieces]
    np.testing.assert_allclose(rows["centre_s"], [20, 30])
    assert rows["patient_id"].unique().tolist() == ["night"], "both pieces are of one patient"
    viewer.stop()
    again = shown(pieces, out, monkeypatch)
    (item,) = again.library
    assert item.state == "scored", "the scores of the first start are found"
    assert len(client_of(again).get(f"/api/recordings/{item.id}/votes").json()) == 2
    pieces[1].write_bytes(pieces[1].read_bytes()[:-2])
    with pytest.raises(ChangedError, match="night has changed since it was opened"):
        item.check()
    again.stop()


def test_a_window_in_two_pieces_is_left_out_of_the_export(tmp_path):
    """A row of a manifest has one file, and no time before its start."""
    parts = [recording_of(eeg(seconds), start=START + timedelta(seconds=at)) for seconds, at in ((33, 0), (47, 33))]
    found = [
        Piece(name, part, tmp_path / name, onset_s)
        for name, part, onset_s in zip("ab", parts, (0.0, 33.0), strict=True)
    ]
    votes = [
        Vote("c", str(tmp_path / "night"), time_s, "Ada", "lpd", "2024") for time_s in (5.0, 28.0, 35.0, 38.0, 75.0)
    ]
    rows = manifest_of(votes, pieces={"c": found})
    assert [(Path(row.file).name, row.centre_s) for row in rows.itertuples()] == [
        ("a", 0.0),
        ("a", 23.0),
        ("b", 0.0),
        ("b", 37.0),
    ]


def test_pieces_that_cannot_be_joined_open_no_viewer(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "serve", lambda *_, **__: pytest.fail("it was served"))
    pieces[0].write_bytes(b"")
    with pytest.raises(ReadError, match=r"night_1\.edf: is empty"):
        ictal.view(pieces, out=tmp_path / "out", join=True)
