"""The page in a real browser: how recordings of other lengths and amplitudes open, and who votes."""

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ictal.core.montage import CHANNELS
from ictal.core.recording import ArraySource, Recording
from ictal.io.edf.writer import write_edf
from tests.scoring.helpers import eeg, exported
from tests.web.browser import ask, viewing
from tests.web.test_browser import browser, new_reader, sync_api  # noqa: F401 - fixtures

pytestmark = pytest.mark.exhaustive
MIDNIGHT = datetime(2030, 1, 2, 23, 59, 50)
LABELS = """
  window.written = [];
  const fillText = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { width } = this.measureText(text);
    const left = x - width * { center: 0.5, right: 1, left: 0 }[this.textAlign];
    window.written.push([this.canvas.parentElement.id, String(text), left, left + width, y]);
    return fillText.call(this, text, x, y);
  };
"""


def write_clip(path: Path, seconds: float, times: float = 1, start: datetime | None = MIDNIGHT) -> Path:
    samples = eeg(seconds) * np.float32(times)
    recording = Recording("clip", CHANNELS, 200.0, samples.shape[1], ArraySource(samples), start=start)
    write_edf(path, recording)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> str:
    """Serve a calm recording, one that is ten times as large, and one of 30 s."""
    folder = tmp_path_factory.mktemp("clips")
    paths = [
        write_clip(folder / "calm.edf", 600),
        write_clip(folder / "loud.edf", 120, 10),
        write_clip(folder / "short.edf", 30),
    ]
    with viewing(*paths, "--out", folder / "out", "--model", exported()) as address:
        yield address


def open_clip(reader, name: str):
    """Open a recording by its name in the list."""
    value = next(each["id"] for each in json.loads(ask(reader.url, "recordings")) if each["name"] == name)
    reader.page.select_option("#recording", value)
    reader.until(f"document.title.startsWith('{name}')")
    return reader


class TestRater:
    def test_enter_adds_the_rater_and_escape_and_cancel_do_not(self, new_reader, clips):  # noqa: F811
        reader = new_reader(clips).open()
        page = reader.page

        def ask_for(name: str) -> None:
            page.select_option("#rater", "+")
            page.fill("#rater-name", name)

        chosen = "document.querySelector('#rater').selectedOptions[0].textContent"
        ask_for("Ärzte")
        page.keyboard.press("Enter")
        reader.until(f"{chosen} === 'Ärzte'")
        reader.wait("#progress", "voted")
        ask_for("Nobody")
        page.keyboard.press("Escape")
        ask_for("Nobody")
        page.click("#rater-cancel")
        sync_api.expect(page.locator("#rater-dialog")).to_be_hidden()
        ask_for("   ")
        page.keyboard.press("Enter")
        sync_api.expect(page.locator("#rater-dialog")).to_be_visible()  # a name is needed
        page.fill("#rater-name", "ärzte")
        page.keyboard.press("Enter")
        sync_api.expect(page.locator("#rater-dialog")).to_be_hidden()
        reader.until(f"{chosen} === 'Ärzte'")
        assert [each["name"] for each in json.loads(ask(clips, "raters"))] == ["Ärzte"]
        assert reader.wrong == []

    def test_enter_closes_help_and_agreement(self, new_reader, clips):  # noqa: F811
        reader = new_reader(clips).open()
        for key, dialog in (("?", "#help-dialog"), ("a", "#agreement-dialog")):
            reader.press(key)
            sync_api.expect(reader.page.locator(dialog)).to_be_visible()
            reader.press("Enter")
            sync_api.expect(reader.page.locator(dialog)).to_be_hidden()


class TestSensitivity:
    def test_it_suits_the_recording_until_the_reader_chooses(self, new_reader, clips):  # noqa: F811
        reader = new_reader(clips).open()

        def shown() -> int:
            return int(reader.page.input_value("#sensitivity"))

        open_clip(reader, "calm.edf")
        calm = shown()
        assert calm >= 7
        open_clip(reader, "loud.edf")
        assert 5 * calm <= shown() <= 20 * calm
        reader.wait("#status", f"shown at {shown()} µV/mm")
        height = reader.page.locator("#eeg").bounding_box()["height"]
        # Traces, and not a thicket.
        reader.until_ink(lambda ink: ink < 0.6 * height * 1000, "#eeg", "0.1, 0, 0.9, 1")
        reader.press("-")
        chosen = shown()
        open_clip(reader, "calm.edf")
        assert shown() == calm
        reader.page.reload()
        open_clip(reader, "loud.edf")
        assert shown() == chosen
        assert reader.wrong == []


class TestOverview:
    def test_spectra_stand_at_their_own_times(self, new_reader, clips):  # noqa: F811
        reader = new_reader(clips)

        def uneven(route) -> None:
            told = route.fetch().json()
            n_bands = len(told["spectrum"]["frequencies_hz"])
            columns = [0.0, None, 40.0, 0.0]
            empty = [None] * 4
            told |= {"edges": [0, 300, 330, 420, 600], "left_right": empty, "usable": [1.0] * 4, "reasons": []}
            told |= {"disagreement": empty, "probabilities": dict.fromkeys(told["probabilities"], empty)}
            told["aeeg"] = {side: {"low": empty, "high": empty} for side in ("left", "right")}
            told["spectrum"] |= dict.fromkeys(("left", "right"), [columns] * n_bands)
            route.fulfill(json=told)

        reader.page.route("**/overview?*", uneven)
        reader.open()
        reader.until("window.performance.getEntriesByName('ictal:traces').length")
        reader.page.wait_for_timeout(300)
        box = reader.page.locator("#day").bounding_box()

        def ink_at(first_s: float, last_s: float) -> float:
            """Return the share of bright pixels of the left spectrum between two times."""
            x = [(90 + time_s / 600 * (box["width"] - 100)) / box["width"] for time_s in (first_s, last_s)]
            area = (x[1] - x[0]) * box["width"] * 0.06 * box["height"]
            return reader.ink("#day", f"{x[0]}, 0.45, {x[1] - x[0]}, 0.06") / area

        # The coldest colour is nearly black, the hottest a yellow.
        assert ink_at(335, 415) > 0.8  # loud from 330 to 420 s, and there alone
        assert ink_at(5, 295) < 0.1
        assert ink_at(305, 325) < 0.1  # nothing is known: hatched
        assert ink_at(425, 595) < 0.1

    @pytest.mark.parametrize("name", ["calm.edf", "loud.edf", "short.edf"])
    def test_no_two_labels_of_the_axis_meet(self, new_reader, clips, name):  # noqa: F811
        reader = new_reader(clips)
        reader.page.add_init_script(LABELS)
        open_clip(reader.open(), name)
        met, places = [], 0
        for width in (1440, 1100, 1900, 1277):
            reader.page.set_viewport_size({"width": width, "height": 900})
            for keys in ([], ["z"], ["z"], ["."], ["x"], [","], ["0"]):
                reader.page.evaluate("window.written.length = 0")
                reader.press(*keys)
                reader.page.evaluate("window.dispatchEvent(new Event('resize'))")
                reader.page.wait_for_timeout(60)
                written = reader.page.evaluate("window.written")
                # The last drawing alone: an axis begins anew at the left.
                axis = [each for each in written if each[0] == "day" and ":" in each[1]]
                places += len(axis)
                met += [
                    (one, other)
                    for one, other in pairwise(axis)
                    if other[2] >= one[2] and other[2] < one[3] and other[1] != one[1]
                ]
        assert places > 20
        assert met == []


def test_the_list_names_what_is_shown_however_fast_a_reader_chooses(new_reader, clips):  # noqa: F811
    reader = new_reader(clips).open()
    ids = {each["name"]: each["id"] for each in json.loads(ask(clips, "recordings"))}
    held = []
    reader.page.route(f"**/recordings/{ids['loud.edf']}?*", lambda route: held.append(route))
    reader.page.select_option("#recording", ids["loud.edf"])  # its answer takes longer
    reader.page.wait_for_timeout(50)
    open_clip(reader, "short.edf")
    held[0].continue_()
    reader.page.wait_for_timeout(300)
    assert reader.page.input_value("#recording") == ids["short.edf"]
    assert reader.page.title().startswith("short.edf")
    reader.page.unroute(f"**/recordings/{ids['loud.edf']}?*")
    gone = {"detail": "loud.edf has changed since it was opened"}
    reader.page.route(f"**/recordings/{ids['loud.edf']}?*", lambda route: route.fulfill(status=400, json=gone))
    reader.page.select_option("#recording", ids["loud.edf"])
    reader.wait("#status", "has changed since it was opened")
    assert reader.page.input_value("#recording") == ids["short.edf"]


def test_a_question_about_one_recording_is_withdrawn_where_another_is_opened(new_reader, clips):  # noqa: F811
    reader = open_clip(new_reader(clips).open(), "calm.edf")
    held = []
    reader.page.route("**/why?*", lambda route: held.append(route))  # it is never answered
    reader.press(*["ArrowRight"] * 6)
    reader.wait("#expected", "Of ten experts")
    reader.press("t")
    reader.until("document.querySelector('#why-note').textContent.startsWith('Asking')")
    reader.page.route("**/window?*", lambda route: held.append(route))  # nor is what would begin the next question
    with reader.page.expect_event("requestfailed", lambda request: "/why?" in request.url):
        open_clip(reader, "short.edf")
