"""In a real browser: the list of events, marks on discharges, the map of the scalp, and the report."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from ictal.core.montage import ELECTRODES
from ictal.report.clock import Clock
from ictal.scoring.events import Event
from ictal.scoring.scores import Scores
from ictal.terminology.words import event_sentence, recording_paragraph
from ictal.web.app import create_app
from ictal.web.library import Item
from ictal.web.serve import address, bound
from tests.web.clients import TOKEN
from tests.web.measured import EVENTS, EVERY_S, eventful, findings_of
from tests.web.test_browser import as_rater, axe, browser, new_reader, sync_api, violations  # noqa: F401 - fixtures

MARKED = "document.querySelector('#eeg').getAttribute('aria-label').includes('marked')"
TICKS = """(times) => {
  const canvas = document.querySelector('#eeg canvas');
  const style = getComputedStyle(document.documentElement).getPropertyValue('--lpd').trim();
  const colour = [1, 3, 5].map((at) => parseInt(style.slice(at, at + 2), 16));
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  return times.map((share) => {
    const x = Math.round(90 + share * (width - 100)), y = height - 20;
    const { data } = canvas.getContext('2d').getImageData(x, y, 1, 1);
    return colour.every((value, at) => Math.abs(value - data[at]) < 3);
  });
}"""
"""Whether there is a tick of the colour of LPD at each share of the page."""


@pytest.fixture
def clock(viewer):
    (item,) = viewer.library
    return Clock(item.recording.start).text


@pytest.fixture
def url(viewer, monkeypatch) -> Iterator[str]:
    """Serve the recording with known events and findings."""
    monkeypatch.setattr(Scores, "findings", lambda _: findings_of())
    (item,) = viewer.library
    item.finish(eventful(item.scores))
    with served(viewer) as url:
        yield url


@contextmanager
def served(viewer) -> Iterator[str]:
    with bound("127.0.0.1", 0) as listening:
        config = uvicorn.Config(create_app(viewer, TOKEN), log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        viewer.ending.watch(server)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield address("127.0.0.1", listening.getsockname()[1], TOKEN)
        server.should_exit = True
        thread.join()


@pytest.fixture
def reader(new_reader, url):  # noqa: F811
    one = new_reader(url).open()
    yield one
    assert one.wrong == []


def rows(reader):
    return reader.page.locator("#event-list [role=option]")


def test_events_are_listed_chosen_by_click_and_by_key_and_filtered(reader):
    reader.press("e")
    sync_api.expect(rows(reader)).to_have_count(len(EVENTS))
    assert [row.locator("span").all_inner_texts() for row in rows(reader).all()] == [
        ["00:01:00", "LPD", "1 min", "1.3 Hz", "left temporal"],
        ["00:01:40", "Seizure", "30 s", "–", "–"],
        ["00:04:10", "GRDA", "40 s", "–", "–"],
    ]
    rows(reader).nth(1).click()
    reader.wait("#when", "00:01:40 –")
    reader.wait("#status", "Seizure, event 2 of 3: 00:01:40 to 00:02:10, 30 s, peak 0.50")
    selected = reader.page.locator("#event-list [aria-selected=true]")
    sync_api.expect(selected).to_have_id("event-2")  # the LPD is still there, but was not chosen
    reader.page.focus("#event-list")
    reader.press("End")
    sync_api.expect(selected).to_have_id("event-3")
    reader.press("ArrowUp", "ArrowUp")
    reader.wait("#status", "LPD, event 1 of 3: 00:01:00 to 00:02:00, 1 min, 1.3 Hz, left temporal, peak 0.50")
    sync_api.expect(reader.page.locator("#event-list")).to_have_attribute("aria-activedescendant", "event-1")
    reader.page.select_option("#event-filter", "grda")
    sync_api.expect(rows(reader)).to_have_count(1)
    reader.page.reload()
    sync_api.expect(rows(reader)).to_have_count(len(EVENTS))  # that the list is open is remembered
    reader.press("e")
    sync_api.expect(reader.page.locator("#events")).to_be_hidden()


def test_discharges_are_marked_in_the_colour_of_the_pattern_until_that_is_switched_off(reader):
    reader.press("n")
    reader.until(MARKED)
    assert reader.text("#clock") == "00:01:00"
    sync_api.expect(reader.page.locator("#eeg")).to_have_attribute("aria-label", re.compile("13 discharges or waves"))
    shares = [(0.3 + number * EVERY_S) / 10 for number in range(13)]
    between = [share + EVERY_S / 20 for share in shares[:-1]]
    assert sum(reader.page.evaluate(TICKS, shares)) >= 10  # traces may cross a few of them
    assert sum(reader.page.evaluate(TICKS, between)) == 0
    reader.press("d")
    reader.until(f"!{MARKED}")
    assert sum(reader.page.evaluate(TICKS, shares)) == 0
    reader.page.reload()
    reader.until("performance.getEntriesByName('ictal:traces').length")
    sync_api.expect(reader.page.locator("#marks-toggle")).to_have_attribute("aria-pressed", "false")
    reader.page.click("#marks-toggle")
    reader.until(MARKED)


def test_an_event_is_drawn_on_the_scalp_and_described(reader, clock):
    reader.press("n")
    reader.wait("#window-events", event_sentence(findings_of().events[0], clock))
    sync_api.expect(reader.page.locator(".scalp-map .electrode")).to_have_count(len(ELECTRODES))
    sync_api.expect(reader.page.locator(".scalp-map .unknown title")).to_have_text(["Pz: unknown"])
    assert reader.text(".scalp-map desc").startswith("T3 1.00, F7 0.80, T5 0.60, Fp1 0.10,")
    assert reader.text(".scalp-map desc").endswith("unknown: Pz")
    places = reader.page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.electrode')].map((each) => "
        "[each.textContent.split(':')[0], ['cx', 'cy'].map((name) => Number(each.getAttribute(name)))]))"
    )
    assert places["T3"][0] < places["Cz"][0] < places["T4"][0]
    assert places["Fz"][1] < places["Cz"][1] < places["Pz"][1]  # the nose is up
    reader.press("n", "n")
    reader.wait("#window-events", event_sentence(findings_of().events[2], clock))
    sync_api.expect(reader.page.locator(".scalp-map")).to_have_count(0)
    reader.press("Home")
    reader.wait("#window-events", "No event here.")


def test_the_report_is_copied_with_its_notice_or_selected_to_be_copied(reader, clock):
    text = recording_paragraph(findings_of(), clock)
    reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    reader.press("r")
    sync_api.expect(reader.page.locator("#report-text")).to_have_text(text)
    reader.wait("#report-dialog", "Written by software: ictal")
    reader.page.click("#report-copy")
    reader.wait("#report-said", "Copied")
    copied = reader.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"{text}\n\nWritten by software")
    assert "Not a medical device" in copied
    reader.press("Escape")
    reader.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject() }")
    reader.page.click("#report")
    reader.page.click("#report-copy")
    reader.wait("#report-said", "The text is selected")
    assert reader.page.evaluate("getSelection().toString()").strip() == text


def test_a_blinded_rater_sees_none_of_it(reader):
    reader.press("e", "n")
    reader.until(MARKED)
    reader.wait("#window-events", "LPD")
    asked = []
    reader.page.on("request", lambda request: asked.append(request.url))
    as_rater(reader, "Ada")
    sync_api.expect(reader.page.locator("#window-events")).to_have_text(re.compile("^Hidden while you vote"))
    # What was asked before, in nobody's name, may be on its way.
    asked[:] = [each for each in asked if "rater=" in each]
    for _ in ("before the vote", "after it"):
        sync_api.expect(reader.page.locator("#window-events")).to_have_text(re.compile("^Hidden while you vote"))
        sync_api.expect(reader.page.locator("#event-note")).to_have_text(re.compile("^Hidden while you vote"))
        sync_api.expect(rows(reader)).to_have_count(0)
        sync_api.expect(reader.page.locator("#report")).to_be_disabled()
        reader.until(f"!{MARKED}")
        reader.press("r")
        reader.wait("#status", "The report is hidden while you vote")
        reader.press("2")
        reader.wait("#expected", "Of ten experts")
    assert not [each for each in asked if "/discharges?" in each]
    reader.page.select_option("#rater", "")
    reader.until(MARKED)
    sync_api.expect(rows(reader)).to_have_count(len(EVENTS))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(new_reader, url, scheme, axe):  # noqa: F811
    reader = new_reader(url, color_scheme=scheme).open()
    reader.press("e", "n")
    reader.wait("#window-events", "LPD")
    reader.page.evaluate(axe)
    found = [violations(reader)]
    reader.press("r")
    reader.wait("#report-dialog", "Written by software")
    found.append(violations(reader))
    assert found == [[], []]
    assert reader.wrong == []


def test_a_thousand_events_are_listed_and_the_last_one_is_reached(new_reader, viewer, monkeypatch):  # noqa: F811
    spans = [("lpd", 0.4 * number, 0.4 * number + 0.3) for number in range(1000)]
    monkeypatch.setattr(Scores, "findings", lambda _: findings_of(spans))
    monkeypatch.setattr(Item, "events", [Event(start_s, stop_s, name, 0.9, 0.8) for name, start_s, stop_s in spans])
    with served(viewer) as url:
        reader = new_reader(url).open()
        reader.press("e")
        sync_api.expect(rows(reader)).to_have_count(1000)
        reader.page.focus("#event-list")
        reader.press("End")
        reader.wait("#status", "event 1000 of 1000")
        sync_api.expect(reader.page.locator("#event-1000")).to_be_in_viewport()
        assert reader.wrong == []
