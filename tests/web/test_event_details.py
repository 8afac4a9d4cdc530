"""What was measured in events: in the answers of the server, and in none that a blinded rater receives."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ictal.core.montage import ELECTRODES
from ictal.report.clock import Clock
from ictal.scoring.events import Event
from ictal.scoring.scores import Scores
from ictal.terminology.words import event_sentence, recording_paragraph
from ictal.web.event_details import discharges, listed_events
from ictal.web.library import Item
from ictal.web.settings import ViewerSettings
from ictal.web.viewer import Viewer
from tests.web.clients import client_of
from tests.web.measured import EVENTS, EVERY_S, INVOLVEMENT, eventful, findings_of

WINDOW = "window?time_s=75"
PAGE = "discharges?start_s=60&stop_s=70"


@pytest.fixture(autouse=True)
def measured(viewer, monkeypatch) -> list[int]:
    """Give the recording known events and findings; return how often these were computed."""
    computed = []
    monkeypatch.setattr(Scores, "findings", lambda _: computed.append(1) or findings_of())
    (item,) = viewer.library
    item.finish(eventful(item.scores))
    return computed


def clock_of(viewer) -> Callable[[float], str]:
    (item,) = viewer.library
    return Clock(item.recording.start).text


def test_the_list_of_events_has_frequency_and_location_or_nothing(client, base):
    first, *others = client.get(base).json()["events"]
    assert [(each["pattern"], each["start_s"], each["stop_s"]) for each in (first, *others)] == list(EVENTS)
    assert first["frequency_hz"] == 1.25
    assert first["location"] == {"main_term": "lateralized", "side": "left", "regions": ["temporal"]}
    assert [(each["frequency_hz"], each["location"]) for each in others] == [(None, None)] * 2


def test_a_window_has_the_sentence_of_each_of_its_events_and_the_involvement_of_each_electrode(client, base, viewer):
    (told,) = client.get(f"{base}/{WINDOW}").json()["events"]
    assert (told["number"], told["pattern"]) == (1, "lpd")
    assert told["sentence"] == event_sentence(findings_of().events[0], clock_of(viewer))
    assert [each["name"] for each in told["electrodes"]] == list(ELECTRODES)
    known = {each["name"]: each["involvement"] for each in told["electrodes"]}
    assert known == {name: INVOLVEMENT.get(name, 0.1) for name in ELECTRODES} | {"Pz": None}
    both = client.get(f"{base}/window?time_s=105").json()["events"]
    assert [(each["number"], bool(each["electrodes"])) for each in both] == [(1, True), (2, False)]
    assert client.get(f"{base}/window?time_s=155").json()["events"] == []


def test_electrodes_are_where_a_reader_looks_for_them(client, base):
    electrodes = client.get(f"{base}/{WINDOW}").json()["events"][0]["electrodes"]
    places = {each["name"]: np.array([each["x"], each["y"]]) for each in electrodes}
    np.testing.assert_allclose(places["Cz"], 0, atol=1e-3)
    assert all(np.hypot(*place) < 1 for place in places.values())
    for left, right in (("Fp1", "Fp2"), ("F7", "F8"), ("C3", "C4"), ("T5", "T6"), ("O1", "O2")):
        assert places[left][0] < 0
        np.testing.assert_allclose(places[left] * [-1, 1], places[right], atol=2e-3)
    heights = [places[name][1] for name in ("Fp1", "Fz", "Cz", "Pz", "O1")]
    assert heights == sorted(heights, reverse=True)


def test_discharges_are_those_of_the_page(client, base):
    (told,) = client.get(f"{base}/{PAGE}").json()
    assert (told["number"], told["pattern"]) == (1, "lpd")
    np.testing.assert_allclose(told["times_s"], np.arange(60.3, 70, EVERY_S), atol=1e-3)
    both = client.get(f"{base}/discharges?start_s=110&stop_s=125").json()
    assert [(each["pattern"], len(each["times_s"])) for each in both] == [("lpd", 12), ("seizure", 0)]
    assert client.get(f"{base}/discharges?start_s=140&stop_s=200").json() == []
    assert client.get(f"{base}/discharges?start_s=70&stop_s=70").status_code == 400


def test_the_report_is_that_of_the_findings_which_are_computed_once(client, base, viewer, measured):
    assert client.get(base).json()["report"] == recording_paragraph(findings_of(), clock_of(viewer))
    for path in (base, f"{base}/{WINDOW}", f"{base}/{PAGE}"):
        client.get(path)
    assert measured == [1]


class TestBlind:
    def test_nothing_is_told_before_or_after_the_vote(self, client, base, measured):
        client.post("/api/raters", json={"name": "Ada"})
        for _ in ("before", "after"):
            details = client.get(f"{base}?rater=Ada").json()
            assert (details["withheld"], details["events"], details["report"]) == (True, [], None)
            # An event that this window is part of also tells about windows that have no vote yet.
            assert client.get(f"{base}/{WINDOW}&rater=Ada").json()["events"] == []
            assert client.get(f"{base}/{PAGE}&rater=Ada").json() == []
            client.post(f"{base}/votes", json={"rater": "Ada", "time_s": 75, "pattern": "lpd"})
        assert not client.get(f"{base}/{WINDOW}&rater=Ada").json()["withheld"]
        assert measured == []

    def test_a_rater_who_is_not_blinded_is_told_all(self, night, out, model):
        viewer = Viewer(out, model, ViewerSettings(blind=False))
        item, client = viewer.show(night), client_of(viewer)
        item.finish(eventful(item.scores))
        base = f"/api/recordings/{item.id}"
        assert client.get(f"{base}?rater=Ada").json()["report"]
        for path in (WINDOW, PAGE):
            told, everything = (client.get(f"{base}/{path}{rater}").json() for rater in ("&rater=Ada", ""))
            assert told == everything != []
        viewer.stop()


def test_before_scoring_is_complete_events_are_listed_and_nothing_is_measured(client, base, viewer, measured):
    (item,) = viewer.library
    frame, item.scores, item.state = item.frame, None, "scoring"
    item.add(frame)
    details = client.get(base).json()
    assert [each["pattern"] for each in details["events"]] == [pattern for pattern, *_ in EVENTS]
    assert {each["frequency_hz"] for each in details["events"]} == {details["report"]} == {None}
    assert client.get(f"{base}/{WINDOW}").json()["events"] == client.get(f"{base}/{PAGE}").json() == []
    assert measured == []


def test_a_page_of_a_day_with_a_thousand_events_is_a_small_answer(viewer, monkeypatch):
    (item,) = viewer.library
    spans = [("lpd", 80.0 * number, 80.0 * number + 70) for number in range(1000)]
    findings = findings_of(spans)
    one = findings.events[0]
    many = [replace(one, start_s=start_s, stop_s=stop_s, cycles_s=tuple(np.arange(start_s, stop_s, EVERY_S)))
            for _, start_s, stop_s in spans]  # fmt: skip
    monkeypatch.setattr(Scores, "findings", lambda _: replace(findings, events=tuple(many)))
    monkeypatch.setattr(Item, "events", [Event(start_s, stop_s, name, 0.9, 0.8) for name, start_s, stop_s in spans])
    page = discharges(item, 40_000, 40_030)
    assert [(each["number"], len(each["times_s"])) for each in page] == [(501, 38)]
    assert len(json.dumps(page)) < 500
    assert len(json.dumps(listed_events(item))) < 250_000
