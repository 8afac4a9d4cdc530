"""Which recording is which: neither samples, nor scores, nor votes of one are ever shown as another's."""

import sqlite3
import threading
from pathlib import Path

import pandas as pd
import pytest

from ictal.io import open_recording
from ictal.io.edf.writer import write_edf
from ictal.io.recording_files import recording_hash
from ictal.scoring.scores import Scores
from ictal.web import identity
from ictal.web.identity import EDGE_BYTES, former_id
from ictal.web.settings import ViewerSettings
from ictal.web.viewer import Viewer
from ictal.web.votes import FILE, Votes
from tests.scoring.helpers import eeg, recording_of
from tests.web.clients import client_of, wait_for
from tests.web.conftest import unpacked

FORMER_SCHEMA = """
create table rater (name text primary key collate nocase) strict;
create table vote (
    recording text not null, file text not null, time_ms integer not null,
    rater text not null collate nocase references rater (name),
    pattern text not null check (pattern in ('seizure', 'lpd', 'gpd', 'lrda', 'grda', 'other')),
    at text not null,
    primary key (recording, time_ms, rater)
) strict;
"""
"""What version 0.1 made."""


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> tuple[Path, Path]:
    """Two recordings of equal length, head and tail, each of whose file is called night.edf."""
    folder = tmp_path_factory.mktemp("twins")
    one, other = folder / "anna" / "night.edf", folder / "bert" / "night.edf"
    one.parent.mkdir()
    other.parent.mkdir()
    write_edf(one, recording_of(eeg(60), name="night"))
    content = bytearray(one.read_bytes())
    middle = slice(EDGE_BYTES, len(content) - EDGE_BYTES)
    content[middle] = bytes(len(content[middle]))
    other.write_bytes(content)
    assert former_id(one) == former_id(other)
    return one, other


@pytest.fixture
def viewer(tmp_path, model):
    made = Viewer(tmp_path / "out", model, ViewerSettings(upload=True, max_upload_mb=8))
    yield made
    made.stop()


def send(client, path: Path, name: str) -> dict:
    answer = client.post("/api/upload", files={"file": (name, path.read_bytes())})
    assert answer.status_code == 201, answer.text
    return answer.json()


def samples(client, id_: str):
    query = {"start_s": 20, "stop_s": 22, "montage": "as recorded"}
    return unpacked(client.get(f"/api/recordings/{id_}/signal", params=query).content)[1]


def former_votes(path: Path, *votes: tuple[str, str, int, str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    database.executescript(FORMER_SCHEMA)
    for recording, file, time_ms, rater, pattern in votes:
        database.execute("insert or ignore into rater values (?)", (rater,))
        database.execute(
            "insert into vote values (?, ?, ?, ?, ?, ?)", (recording, file, time_ms, rater, pattern, str(time_ms))
        )
    database.commit()
    database.close()


class TestUploads:
    def test_files_that_differ_in_the_middle_alone_are_two(self, viewer, twins):
        client = client_of(viewer)
        sent = [send(client, path, name) for path, name in zip(twins, ("Anna.edf", "Bert.edf"), strict=True)]
        assert [each["known"] for each in sent] == [False, False]
        for path, name, told in zip(twins, ("Anna.edf", "Bert.edf"), sent, strict=True):
            theirs = open_recording(path).read(20 * 200, 22 * 200)
            assert client.get(f"/api/recordings/{told['id']}").json()["name"] == name
            assert (samples(client, told["id"]) == theirs).all()

    def test_a_file_that_is_here_already_is_not_written_again(self, viewer, twins):
        client = client_of(viewer)
        first = send(client, twins[0], "Anna.edf")
        send(client, twins[1], "Bert.edf")
        before = {path: path.stat() for path in (viewer.out / "uploads").iterdir()}
        again = send(client, twins[0], "again.edf")
        assert (again["id"], again["known"]) == (first["id"], True)
        assert client.get(f"/api/recordings/{again['id']}").json()["name"] == "Anna.edf"
        assert {path: path.stat() for path in (viewer.out / "uploads").iterdir()} == before

    def test_a_second_start_finds_the_votes_of_the_first(self, viewer, twins, model):
        client = client_of(viewer)
        client.post("/api/raters", json={"name": "Ada"})
        id_ = send(client, twins[0], "Anna.edf")["id"]
        wait_for(lambda: client.get(f"/api/recordings/{id_}").json()["state"] == "scored")
        ballot = {"rater": "Ada", "time_s": 35, "pattern": "lpd"}
        assert client.post(f"/api/recordings/{id_}/votes", json=ballot).status_code == 200
        again = Viewer(viewer.out, model, ViewerSettings(upload=True))
        client = client_of(again)
        ids = [send(client, path, "x.edf")["id"] for path in twins]
        assert [len(client.get(f"/api/recordings/{id_}/votes").json()) for id_ in ids] == [1, 0]
        again.stop()

    def test_two_who_send_the_same_at_once_both_get_it(self, viewer, twins):
        client, told = client_of(viewer), []
        both = [threading.Thread(target=lambda: told.append(send(client, twins[0], "a.edf"))) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join()
        assert len({each["id"] for each in told}) == 1
        assert (samples(client, told[0]["id"]) == open_recording(twins[0]).read(20 * 200, 22 * 200)).all()
        assert not list((viewer.out / "uploads").glob(".*"))

    def test_a_full_disk_is_said(self, viewer, twins, monkeypatch):
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        answer = client_of(viewer).post("/api/upload", files={"file": ("a.edf", twins[0].read_bytes())})
        assert (answer.status_code, answer.json()["detail"]) == (
            400,
            "'a.edf': cannot be stored: No space left on device",
        )
        assert not list((viewer.out / "uploads").iterdir())


class TestLocalFiles:
    def test_votes_follow_the_content_wherever_it_is(self, viewer, twins, tmp_path):
        one, other = (viewer.show(path) for path in twins)
        assert one is not other
        assert viewer.show(twins[0]) is one
        viewer.votes.add_rater("Ada")
        viewer.votes.give(one.content, str(one.path), 25.0, "Ada", "lpd")
        (tmp_path / "copy.edf").write_bytes(twins[0].read_bytes())
        copy = viewer.show(tmp_path / "copy.edf")
        assert [len(viewer.votes.all(item.content)) for item in (one, other, copy)] == [1, 0, 1]

    def test_the_traces_do_not_wait_for_the_hash_and_a_vote_does(self, viewer, twins, tmp_path, monkeypatch):
        large, go_on, hashing = tmp_path / "large.edf", threading.Event(), identity.recording_hash
        large.write_bytes(twins[0].read_bytes())  # its hash is not remembered
        monkeypatch.setattr(identity, "SMALL_BYTES", 0)
        monkeypatch.setattr(identity, "recording_hash", lambda path: hashing(path) if go_on.wait(60) else None)
        item, client, votes = viewer.show(large), client_of(viewer), []
        assert samples(client, item.id).size
        assert client.get(f"/api/recordings/{item.id}").json()["montages"]
        asking = threading.Thread(target=lambda: votes.append(client.get(f"/api/recordings/{item.id}/votes").json()))
        asking.start()
        assert item.identity.known is None
        assert votes == []
        go_on.set()
        asking.join(60)
        assert votes == [[]]
        assert item.identity.known == hashing(large)

    def test_a_file_that_has_changed_is_neither_shown_nor_voted_on(self, viewer, twins, tmp_path):
        path = tmp_path / "current.edf"
        path.write_bytes(twins[0].read_bytes())
        item, client = viewer.show(path), client_of(viewer)
        wait_for(lambda: item.state == "scored")
        viewer.votes.add_rater("Ada")
        (tmp_path / "new.edf").write_bytes(twins[1].read_bytes())
        (tmp_path / "new.edf").replace(path)
        base, ballot = f"/api/recordings/{item.id}", {"rater": "Ada", "time_s": 35, "pattern": "lpd"}
        for answer in (
            client.get(f"{base}/signal?start_s=0&stop_s=10"),
            client.get(f"{base}/votes"),
            client.post(f"{base}/votes", json=ballot),
        ):
            assert answer.status_code == 400
            assert "current.edf has changed since it was opened" in answer.json()["detail"]
        assert viewer.votes.all() == []
        assert viewer.show(path) is not item

    def test_a_recording_in_two_files_is_known_by_both(self, viewer, tmp_path):
        for name in ("anna", "bert"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "eeg.set").write_bytes(b"the same header")
            (tmp_path / name / "eeg.fdt").write_text(name)
        shown = [viewer.show(tmp_path / name / "eeg.set", recording_of(eeg(20))) for name in ("anna", "bert")]
        assert len({item.content for item in shown}) == len({item.id for item in shown}) == 2


class TestScores:
    def test_those_of_a_file_of_the_same_name_are_not_taken(self, twins, model, tmp_path):
        first = Viewer(tmp_path, model)
        item = first.show(twins[0])
        wait_for(lambda: item.state == "scored")
        first.stop()
        again = Viewer(tmp_path, model)
        assert again.show(twins[0]).scores.manifest["content"] == recording_hash(twins[0])
        again.stop()
        other = Viewer(tmp_path, model)
        item = other.show(twins[1])
        assert item.scores is None
        wait_for(lambda: item.state == "scored")
        assert item.scores.manifest["content"] == recording_hash(twins[1])
        other.stop()
        for path in twins:  # neither has replaced the other's
            again = Viewer(tmp_path, model)
            assert again.show(path).scores.manifest["content"] == recording_hash(path)
            again.stop()

    def test_those_that_name_another_file_which_is_still_there_are_not_taken(self, twins, model, tmp_path):
        viewer = Viewer(tmp_path / "first", model)
        item = viewer.show(twins[0])
        wait_for(lambda: item.state == "scored")
        viewer.stop()
        scores = item.scores
        del scores.manifest["content"]  # as 'ictal score' writes them
        assert scores.recording.name == str(twins[0])
        for file, taken in ((twins[0], True), (twins[1], False)):
            scores.write(tmp_path / "out" / "night_scores.parquet")
            other = Viewer(tmp_path / "out")
            other.workers["scoring"].stop()  # nothing is scored anew
            assert (other.show(file).scores is not None) == taken
            other.stop()
        (tmp_path / "moved.edf").write_bytes(twins[0].read_bytes())
        moved = scores.recording.model_copy(update={"name": "/nowhere/night.edf"})
        Scores(scores.frame, moved, scores.manifest).write(tmp_path / "out" / "moved_scores.parquet")
        other = Viewer(tmp_path / "out")
        assert other.show(tmp_path / "moved.edf").scores is not None
        other.stop()

    def test_a_large_file_is_shown_before_its_scores_are_known_to_be_its_own(
        self, twins, model, tmp_path, monkeypatch
    ):
        viewer = Viewer(tmp_path, model)
        item = viewer.show(twins[0])
        wait_for(lambda: item.state == "scored")
        viewer.stop()
        made = item.scores.manifest["made"]
        go_on, hashing = threading.Event(), identity.recording_hash
        monkeypatch.setattr(identity, "SMALL_BYTES", 0)
        monkeypatch.setattr(identity, "cached_hash", lambda _: None)
        monkeypatch.setattr(identity, "recording_hash", lambda path: go_on.wait(60) and hashing(path))
        viewer = Viewer(tmp_path, model)
        item = viewer.show(twins[0])
        assert samples(client_of(viewer), item.id).size
        assert item.state == "waiting"
        go_on.set()
        wait_for(lambda: item.state == "scored")
        assert item.scores.manifest["made"] == made
        viewer.stop()


class TestVotesOfVersion01:
    """Which knew a recording by size, head and tail."""

    def test_they_find_their_recording_and_no_other(self, viewer, twins):
        one, other = twins
        former = former_id(one)
        former_votes(
            viewer.out / FILE,
            (former, str(one), 25_000, "Ada", "lpd"),
            (former, str(other), 35_000, "Ada", "gpd"),
            (former, "/nowhere/moved.edf", 45_000, "Ada", "lrda"),
            ("0123456789abcdef", "/nowhere/else.edf", 25_000, "Ada", "other"),
        )
        shown = [viewer.show(path) for path in twins]
        found = [[vote.pattern for vote in viewer.votes.all(item.content)] for item in shown]
        assert found in ([["lpd", "lrda"], ["gpd"]], [["lpd"], ["gpd", "lrda"]])
        assert len(viewer.votes.all()) == 4

    def test_a_file_that_was_moved_keeps_them(self, viewer, twins):
        former_votes(viewer.out / FILE, (former_id(twins[0]), "/nowhere/night.edf", 25_000, "Ada", "lpd"))
        assert [vote.pattern for vote in viewer.votes.all(viewer.show(twins[0]).content)] == ["lpd"]

    def test_the_export_does_not_mix_them(self, viewer, twins):
        former = former_id(twins[0])
        former_votes(
            viewer.out / FILE,
            (former, str(twins[0]), 25_000, "Ada", "lpd"),
            (former, str(twins[1]), 35_000, "Ada", "gpd"),
        )
        client_of(viewer).get("/api/export")
        assert {vote.recording for vote in viewer.votes.all()} == {recording_hash(path) for path in twins}
        table = viewer.manifest()
        assert isinstance(table, pd.DataFrame)
        assert dict(zip(table["file"], table["lpd_vote"], strict=True)) == {str(twins[0]): 1, str(twins[1]): 0}

    def test_a_vote_that_was_given_since_stays(self, tmp_path):
        former_votes(tmp_path / FILE, ("0123456789abcdef", "/a.edf", 25_000, "Ada", "lpd"))
        votes = Votes(tmp_path / FILE)
        votes.give("new", "/a.edf", 25.0, "Ada", "gpd")
        votes.move("0123456789abcdef", "/a.edf", "new")
        assert [(vote.recording, vote.pattern) for vote in votes.all()] == [("new", "gpd")]
