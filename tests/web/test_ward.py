"""The ward's server: what its stream says, who may acknowledge, and recordings that are shown while they grow."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.io import growing
from ictal.io.recording_files import recording_hash
from ictal.live.bed import Bed
from ictal.live.ward import open_ward
from ictal.web import ward_page
from ictal.web import watch as web_watch
from ictal.web.event_stream import events
from ictal.web.settings import ViewerSettings
from ictal.web.viewer import Viewer
from ictal.web.ward_page import WardPage
from ictal.web.ward_schemas import ShownBed, WardState
from tests.live.helpers import catch_up
from tests.web.beds import BedRecorder
from tests.web.clients import client_of, wait_for
from tests.web.test_security import refused

STOP = "/api/ward/beds/{id}/alarms/{number}/acknowledge"


@dataclass
class Watched:
    """A bed, who records it, and how readers see it."""

    recorder: BedRecorder
    bed: Bed
    page: WardPage
    viewer: Viewer
    client: TestClient

    def record(self, seconds: int) -> None:
        self.recorder.record(seconds)
        catch_up(self.bed)

    @property
    def base(self) -> str:
        return f"/api/recordings/{self.client.get('/api/recordings').json()[0]['id']}"

    def end(self) -> None:
        self.recorder.end()
        self.bed.poll()
        assert self.bed.to_be_finished
        self.bed.finish()
        assert self.bed.problem == ""


@contextmanager
def watched(
    whole: Path, folder: Path, record_s: int = 0, *, pieces: bool = False, patient: str = "X", **settings: Any
) -> Iterator[Watched]:
    path = folder / "bed-1" / "piece.edf" if pieces else folder / "bed-1.edf"
    recorder = BedRecorder(whole, path, patient)
    source = recorder.path.parent if pieces else recorder.path
    with open_ward([source, folder / "bed-2.edf"], folder / "out") as ward:
        viewer = Viewer(folder / "out", None, ViewerSettings(blind=False, **settings), tuple(ward.beds.values()))
        page = WardPage(ward, viewer.patients)
        made = Watched(recorder, ward.beds["bed-1"], page, viewer, client_of(viewer, page))
        if record_s:
            made.record(record_s)
        yield made
        viewer.stop()


@pytest.fixture
def bed(whole, tmp_path) -> Iterator[Watched]:
    """A bed whose recording has a seizure so far."""
    with watched(whole, tmp_path, 120) as made:
        yield made


def told(event: str) -> dict[str, Any]:
    """Return the data of a server-sent event; they must be as the schema says."""
    assert event.startswith("data: ")
    assert event.endswith("\n\n")
    state = json.loads(event.removeprefix("data: "))
    WardState.model_validate(state)
    assert all({*one} == {*ShownBed.model_fields} for one in state["beds"])
    return state


def followed(bed: Watched, *between: Any) -> list[dict[str, Any]]:
    """Return the first state of a stream, and the state after each act; before it, there is a heart-beat."""

    async def follow() -> list[dict[str, Any]]:
        stream = events(bed.page.changes(), bed.viewer.ending)
        found = [told(await anext(stream))]
        for act in between:
            assert await anext(stream) == ": alive\n\n"
            act()
            found.append(told(await anext(stream)))
        await stream.aclose()
        return found

    return asyncio.run(follow())


class TestStream:
    def test_first_comes_the_state_of_all_beds_then_what_has_changed(self, bed, quickly):
        first, second, third = followed(
            bed, lambda: bed.record(30), lambda: bed.bed.acknowledge(bed.bed.alarms[0].number)
        )
        one, two = first["beds"]
        assert (one["name"], one["state"], two["name"], two["state"]) == ("bed-1", "live", "bed-2", "waiting")
        assert (one["recorded_s"], one["problem"], one["usable"]) == (120.0, "", 1.0)
        assert one["event"]["pattern"] == "seizure"
        assert {alarm["rule"]: alarm["sounds"] for alarm in one["alarms"]} == {"seizure": True, "new pattern": False}
        assert one["burden_60min"]["seizure"] == pytest.approx(70 / 120, abs=0.1)
        assert one["rows"]["stop_s"] == bed.bed.journal.rows["stop_s"].tolist()[: len(one["rows"]["stop_s"])]
        assert two["rows"] == {"start_s": [], "stop_s": [], "probabilities": []}
        (again,) = second["beds"]
        assert again["recorded_s"] == 150.0
        assert [*one["rows"]["start_s"], *again["rows"]["start_s"]] == bed.bed.journal.rows["start_s"].tolist()
        (last,) = third["beds"]
        assert last["rows"]["start_s"] == []
        assert len(last["alarms"]) == len(again["alarms"]) - 1

    def test_who_connects_again_gets_the_whole_state_again(self, bed, quickly):
        (first,), (second,) = followed(bed), followed(bed)
        assert [{**one, "age_s": 0} for one in first["beds"]] == [{**one, "age_s": 0} for one in second["beds"]]
        assert first["beds"][0]["rows"]["start_s"]

    def test_rows_older_than_an_hour_are_not_sent(self, bed, quickly, monkeypatch):
        monkeypatch.setattr(ward_page, "HOUR_S", 60)
        (first,) = followed(bed)
        stops = first["beds"][0]["rows"]["stop_s"]
        assert stops[-1] - stops[0] < 60

    def test_it_ends_with_the_server(self, bed, quickly):
        bed.viewer.ending.begin()
        answer = bed.client.get("/api/ward/stream")
        assert (answer.status_code, answer.text) == (200, "")
        assert answer.headers["content-type"].startswith("text/event-stream")

    def test_a_bed_without_new_data_is_stale(self, bed, quickly, monkeypatch):
        def wait() -> None:
            monkeypatch.setattr("ictal.live.bed.STALE_S", 0.0)

        first, second = followed(bed, wait)
        assert [one["state"] for one in (first["beds"][0], second["beds"][0])] == ["live", "stale"]

    def test_an_alarm_about_old_eeg_is_shown_and_makes_no_sound(self, whole, tmp_path, quickly, monkeypatch):
        monkeypatch.setattr("ictal.live.bed.LATE_S", -1.0)
        with watched(whole, tmp_path, 120) as bed:
            (first,) = followed(bed)
        alarms = first["beds"][0]["alarms"]
        assert "seizure" in {alarm["rule"] for alarm in alarms}
        assert not any(alarm["sounds"] for alarm in alarms)

    def test_alarms_of_a_rule_about_a_pattern_are_sent_as_one(self, bed, quickly):
        before = bed.bed.alarms
        (seizure,) = [alarm for alarm in before if alarm.rule == "seizure"]

        def repeat() -> None:
            last = before[-1].number
            bed.bed.journal.add(
                [], [replace(seizure, number=last + more, at_s=seizure.at_s + more) for more in range(1, 151)]
            )
            bed.bed.version += 1

        first, second = (state["beds"][0]["alarms"] for state in followed(bed, repeat))
        assert len(second) == len(first) == len(before)
        (one,) = [alarm for alarm in second if alarm["rule"] == "seizure"]
        assert (one["times"], one["number"], one["first_s"]) == (151, before[-1].number + 150, seizure.at_s)
        assert (one["raised_s"], one["sounds"]) == (seizure.at_s + 150, True)

    def test_an_alarm_says_whether_what_it_is_about_goes_on_also_when_acknowledged(self, whole, tmp_path, quickly):
        with watched(whole, tmp_path, 80) as bed:
            (number,) = [alarm.number for alarm in bed.bed.alarms if alarm.rule == "seizure"]
            states = followed(bed, lambda: bed.bed.acknowledge(number), lambda: bed.record(80))
        during, seen, after = (state["beds"][0] for state in states)
        (event,) = bed.bed.events
        assert [(alarm["goes_on"], alarm["ended_s"]) for alarm in during["alarms"]] == [(True, None)] * 2
        assert (during["acknowledged"], seen["acknowledged"], after["acknowledged"]) == ([], ["Seizure"], [])
        assert [alarm["rule"] for alarm in seen["alarms"]] == ["new pattern"]
        assert (after["alarms"][0]["goes_on"], after["alarms"][0]["ended_s"]) == (False, event.stop_s)

    def test_how_much_of_the_windows_of_burden_was_scored_is_said(self, bed, quickly):
        (state,) = followed(bed)
        one, two = state["beds"]
        assert one["scored_5min_s"] == one["scored_60min_s"] == pytest.approx(120, abs=10)
        assert two["scored_60min_s"] == 0

    def test_a_problem_is_told(self, bed, quickly):
        def lose() -> None:
            bed.recorder.path.unlink()
            bed.bed.poll()

        _, second = followed(bed, lose)
        assert "was removed" in second["beds"][0]["problem"]


class TestAcknowledging:
    def test_it_also_covers_what_the_rule_told_of_the_pattern_before(self, bed):
        alarms = bed.bed.alarms
        assert {alarm.rule for alarm in alarms} >= {"seizure", "new pattern"}
        seizure = next(alarm for alarm in alarms if alarm.rule == "seizure")
        recording_id = bed.base.rpartition("/")[2]
        assert bed.client.post(STOP.format(id=recording_id, number=seizure.number)).status_code == 204
        assert [alarm.rule for alarm in bed.bed.alarms if alarm.acknowledged] == ["seizure"]

    @pytest.mark.parametrize(
        ("recording_id", "number", "status"), [("none", 1, 404), (None, 99, 404), (None, 0, 422)]
    )
    def test_what_is_not_there_is_not_acknowledged(self, bed, recording_id, number, status):
        address = STOP.format(id=recording_id or bed.base.rpartition("/")[2], number=number)
        assert bed.client.post(address).status_code == status
        assert not any(alarm.acknowledged for alarm in bed.bed.alarms)

    def test_another_site_and_who_has_no_token_may_neither_read_nor_acknowledge(self):
        for path in ("/api/ward/stream", STOP.format(id="x", number=1)):
            assert refused(path, x_ictal_token=None) == 401
            assert refused(path, origin="http://elsewhere.example") == 403
            assert refused(path) is None

    def test_the_page_needs_no_token_and_holds_none(self, bed):
        bed.client.headers.pop("X-Ictal-Token")
        answer = bed.client.get("/ward")
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]

    def test_a_viewer_without_a_ward_has_no_such_page(self, client):
        assert client.get("/ward").status_code == 404
        assert client.get("/api/ward/stream").status_code == 404


class TestViewer:
    def test_a_bed_without_data_is_not_listed(self, bed):
        (listed,) = bed.client.get("/api/recordings").json()
        assert (listed["name"], listed["state"], listed["reason"]) == ("bed-1", "live", "")
        assert bed.client.get("/api/about").json()["ward"]

    def test_it_shows_at_any_time_what_the_bed_knows(self, bed):
        for seconds in (120, 150, 180):
            details = bed.client.get(bed.base).json()
            rows = bed.bed.journal.rows
            assert (details["duration_s"], details["state"], details["step_s"]) == (seconds, "live", 10.0)
            assert sum(part["n"] for part in details["windows"]) == len(rows)
            assert [event["pattern"] for event in details["events"]] == ["seizure"]
            assert not any("-1 records" in note for note in details["notes"])
            assert details["model"]["name"] == "default"
            window = bed.client.get(f"{bed.base}/window", params={"time_s": rows["start_s"].iloc[-1] + 5}).json()
            expected = rows[list(PROBABILITY_COLUMNS)].iloc[-1].tolist()
            assert np.allclose([*window["probabilities"].values()], expected, atol=1e-3)
            span = {"start_s": seconds - 5, "stop_s": seconds}
            assert bed.client.get(f"{bed.base}/signal", params=span).status_code == 200
            overview = bed.client.get(f"{bed.base}/overview", params={"start_s": 0, "stop_s": seconds}).json()
            assert overview["edges"][-1] == seconds
            bed.record(30)

    def test_long_spans_wait_until_it_is_finished(self, bed, monkeypatch):
        monkeypatch.setattr("ictal.web.viewer.LONGEST_PAGE_S", 60)
        answer = bed.client.get(f"{bed.base}/signal", params={"start_s": 0, "stop_s": 100})
        why = "while it is being recorded, 60 s are shown at most"
        assert (answer.status_code, answer.json()["detail"]) == (409, why)

    def test_a_window_is_explained_as_in_the_finished_recording(self, bed, monkeypatch):
        monkeypatch.setattr(growing, "ENDED_S", 0.0)
        bed.record(60)

        def answers() -> tuple[dict[str, Any], dict[str, Any]]:
            found = bed.client.get(f"{bed.base}/why", params={"time_s": 55, "pattern": "seizure"}).json()
            return found, bed.client.get(f"{bed.base}/similar", params={"time_s": 55}).json()

        (why, similar), _ = answers(), bed.end()
        why_finished, similar_finished = answers()
        assert why.keys() == why_finished.keys()
        live, finished = (np.array(found["grid"], dtype=float) for found in (why, why_finished))
        assert np.corrcoef(live.ravel(), finished.ravel())[0, 1] > 0.99
        assert similar["windows"]
        assert [one["id"] for one in similar["windows"]] == [one["id"] for one in similar_finished["windows"]]

    def test_when_it_ends_its_final_scores_are_shown(self, bed, monkeypatch):
        monkeypatch.setattr(growing, "ENDED_S", 0.0)
        bed.record(60)
        assert bed.client.get(bed.base).json()["state"] == "live"
        bed.end()
        details = bed.client.get(bed.base).json()
        assert details["state"] == "scored"
        assert "seizure" in details["report"]


class TestPatient:
    NAME = "7 F 02-MAY-1951 Curie_Marie"

    @pytest.fixture
    def watch(self, whole, tmp_path) -> Any:
        """Return what watches a bed whose recording names its patient."""
        return partial(watched, whole, tmp_path, 120, patient=self.NAME)

    def said(self, bed: Watched) -> str:
        """Return all that the server says, but for the two answers that have a patient."""
        texts = ["/ward", "/", "/api/openapi.json", "/api/recordings", "/api/export", "/api/agreement"]
        of_recording = [
            "/votes",
            "/window?time_s=5",
            "/overview?start_s=0&stop_s=60",
            "/discharges?start_s=0&stop_s=60",
        ]
        answers = [bed.client.get(path) for path in [*texts, *(bed.base + path for path in of_recording)]]
        assert {answer.status_code for answer in answers} == {200}
        return "".join(answer.text for answer in answers) + json.dumps(next(bed.viewer.changes()))

    @pytest.mark.parametrize("pieces", [False, True])
    @pytest.mark.parametrize("show", [False, True])
    def test_it_is_shown_where_it_is_asked_for_and_nowhere_else(self, watch, tmp_path, quickly, show, pieces):
        with watch(show_patient=show, pieces=pieces) as bed:
            (state,) = followed(bed)
            one, two = state["beds"]
            details = bed.client.get(bed.base).json()
            assert (one["patient"], details["patient"], two["patient"]) == (*[self.NAME if show else None] * 2, None)
            hidden = {**one, "patient": None}, {**details, "patient": None}, state["problems"], two
            assert "Curie" not in json.dumps(hidden) + self.said(bed)
            assert one["alarms"]
            kept = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
            assert any(path.name == "journal.jsonl" for path in kept)
            assert not any(b"Curie" in path.read_bytes() for path in kept)

    def test_each_header_is_read_once(self, watch, quickly, monkeypatch):
        read = []
        monkeypatch.setattr("ictal.web.patients.patient_field", read.append)
        with watch(show_patient=True) as bed:
            followed(bed, lambda: bed.record(30), lambda: bed.record(30))
            bed.client.get(bed.base)
            assert read == [bed.recorder.path]

    def test_nothing_is_shown_where_the_header_says_nothing(self, whole, tmp_path, quickly):
        with watched(whole, tmp_path, 30, show_patient=True) as bed:
            (state,) = followed(bed)
            assert state["beds"][0]["patient"] is None


class TestVotes:
    def given(self, bed: Watched) -> list[tuple[str, float]]:
        return [(vote["pattern"], vote["time_s"]) for vote in bed.client.get(f"{bed.base}/votes").json()]

    def give(self, bed: Watched, time_s: float, pattern: str) -> None:
        bed.client.post("/api/raters", json={"name": "Ada"})
        ballot = {"rater": "Ada", "time_s": time_s, "pattern": pattern}
        assert bed.client.post(f"{bed.base}/votes", json=ballot).status_code == 200

    @pytest.mark.parametrize("pieces", [False, True])
    def test_votes_on_live_windows_stay_and_go_with_the_finished_recording(
        self, whole, tmp_path, monkeypatch, pieces
    ):
        monkeypatch.setattr(growing, "ENDED_S", 0.0)
        monkeypatch.setattr(growing, "MORE_S", 0.0)
        with watched(whole, tmp_path, 120, pieces=pieces) as bed:
            self.give(bed, 55, "seizure")
            bed.record(60)
            self.give(bed, 5, "other")
            everything = [("other", 5.0), ("seizure", 55.0)]
            assert self.given(bed) == everything
            bed.end()
            bed.client.get(bed.base)  # from now on, the content is known
            content = wait_for(
                lambda: next((vote.recording for vote in bed.viewer.votes.all() if self.moved(vote)), None)
            )
            assert content == recording_hash(bed.recorder.path)
            assert self.given(bed) == everything
            assert len(bed.viewer.votes.all()) == 2

    @staticmethod
    def moved(vote: Any) -> bool:
        return not vote.recording.startswith("live-")

    def test_they_go_with_it_where_nobody_looks_and_after_a_restart(self, whole, tmp_path, monkeypatch):
        monkeypatch.setattr(growing, "ENDED_S", 0.0)
        monkeypatch.setattr(web_watch, "LOOK_S", 0.0)
        with watched(whole, tmp_path, 60) as before:
            self.give(before, 45, "seizure")
            before.recorder.end()
        content = (tmp_path / "bed-1.edf").read_bytes()
        with watched(whole, tmp_path) as after, ThreadPoolExecutor(1) as thread:
            after.recorder.path.write_bytes(content)
            stop = Event()
            following = thread.submit(web_watch.follow_ends, after.viewer, stop)
            try:
                catch_up(after.bed)
                after.bed.finish()
                (vote,) = wait_for(lambda: [vote for vote in after.viewer.votes.all() if self.moved(vote)])
            finally:
                stop.set()
            following.result()
            assert vote.recording == recording_hash(after.recorder.path)

    def test_a_watcher_that_is_started_again_knows_them(self, whole, tmp_path):
        with watched(whole, tmp_path, 60) as before:
            self.give(before, 45, "seizure")
        whole_again = tmp_path / "bed-1.edf"
        content = whole_again.read_bytes()
        with watched(whole, tmp_path) as after:
            whole_again.write_bytes(content)
            after.bed.poll()
            assert self.given(after) == [("seizure", 45.0)]

    def test_they_come_back_if_the_recorder_goes_on_after_all(self, bed, monkeypatch):
        monkeypatch.setattr(growing, "ENDED_S", 0.0)
        self.give(bed, 55, "seizure")
        bed.end()
        bed.client.get(bed.base)
        wait_for(lambda: all(self.moved(vote) for vote in bed.viewer.votes.all()))
        bed.record(30)
        assert bed.client.get(bed.base).json()["state"] == "live"
        assert self.given(bed) == [("seizure", 55.0)]
