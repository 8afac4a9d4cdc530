"""The ward page in a real browser: an alarm appears and is acknowledged, and a bed is followed."""

import json
import shlex
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from ictal.io.edf.writer import write_edf
from ictal.simulator import simulate_recording
from ictal.web.serve import bound
from tests.pages import ROOT
from tests.web.beds import BedRecorder
from tests.web.browser import artifacts, ask, watching
from tests.web.clients import wait_for
from tests.web.test_browser import WAIT_MS, Reader, as_rater, axe, browser, new_reader, shot, violations  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow
SIZE = {"width": 1280, "height": 800}
FITS = (
    "document.documentElement.scrollWidth <= innerWidth && document.querySelector('main').scrollWidth <= innerWidth"
)
WHOLE = "[...document.querySelectorAll('.burden, .burden > *, .share')].every((e) => e.scrollWidth <= e.clientWidth)"


@pytest.fixture
def recorders(whole, tmp_path):
    """Two beds: one with a seizure after 40 s, one with periodic discharges after 160 s."""
    other = tmp_path / "other.edf"
    write_edf(other, simulate_recording(1, 5, 0.06))
    return BedRecorder(whole, tmp_path / "bed-1.edf"), BedRecorder(other, tmp_path / "bed-2.edf")


@pytest.fixture
def url(recorders, tmp_path):
    with watching(*(one.path for one in recorders), "--out", tmp_path / "out") as address:
        yield address


SILENT = "window.AudioContext = class extends AudioContext { constructor() { super(); this.suspend(); } }"
"""As a browser is until the reader has touched the page; what a test asks of a page counts as a touch."""


def on_ward(new_reader, url, **options):  # noqa: F811
    reader = new_reader(url, **options)
    reader.page.add_init_script(SILENT)
    reader.page.set_viewport_size(SIZE)
    reader.page.goto(url)
    reader.wait("#counts", "beds")
    return reader


def test_an_alarm_appears_is_acknowledged_and_its_bed_is_followed(new_reader, url, recorders, tmp_path):  # noqa: F811
    kept, (one, two) = artifacts(tmp_path), recorders
    reader = on_ward(new_reader, url)
    page = reader.page
    reader.wait("#counts", "2 waiting")
    assert page.locator("#alarms").is_hidden()
    assert page.locator("#beds a[href]").count() == 0
    one.record(30)
    two.record(200)
    reader.wait("#beds tr:nth-child(1) .badge", "live")
    reader.wait("#alarm-list", "bed-2: LPDs")
    assert page.locator("#alarm-list .sounds").count() == 0
    one.record(110)
    reader.wait("#alarm-list .sounds", "bed-1: seizure")
    reader.wait("#counts", "3 alarms")
    reader.wait("#beds tr:nth-child(1) td:last-child", "Seizure00:00:40")
    reader.until_ink(lambda ink: ink > 100, "#beds tr:nth-child(1) .hour", "0.9, 0, 0.1, 1")
    assert page.evaluate(FITS)
    page.screenshot(path=kept / "ward.png")
    reader.wait("#alarm-list .sounds .facts", "raised 00:01:00 · ")
    look = opened(reader, "#alarm-list .sounds a")
    look.wait("#since", "0:00:37 of")
    look.page.close()
    page.click("#alarm-list .sounds button")
    reader.until("document.querySelectorAll('#alarm-list .sounds').length === 0")
    reader.wait("#counts", "2 alarms")

    ward, reader = reader, opened(reader, "#beds tr:nth-child(1) .hour")
    page = reader.page
    reader.wait("#since", "0:02:10 of 2 min 20 s")
    assert page.get_attribute("#live", "aria-pressed") == "true"
    page.evaluate(WHEN)
    for seconds, since in ((5, "0:02:15 of 2 min 25 s"), (15, "0:02:30 of 2 min 40 s")):
        one.record(seconds)
        reader.wait("#since", since)  # it follows the end
    reader.wait("#when", "00:02:30 – 00:02:40")
    assert "No window here" not in page.evaluate("window.when")
    assert "-1 records" not in reader.text("#status")
    page.screenshot(path=kept / "ward-viewer.png")
    reader.press("Home")
    assert page.get_attribute("#live", "aria-pressed") == "false"
    one.record(20)
    reader.wait("#since", "0:00:00 of 3 min")  # it stays where the reader looks
    as_rater(reader, "Ada")
    reader.wait("#when", "00:00:00 –")
    reader.press("6")
    reader.wait("#progress", "1 of")
    page.click("#live")
    reader.wait("#since", "0:02:50 of 3 min")
    ward.page.evaluate("document.title = 'as it was'")
    page.click("#ward")
    ward.until("location.hash === '#beds'")
    assert ward.page.title() == "as it was"  # it was not loaded again
    ward.page.click("#beds tr:nth-child(1) .hour")
    reader.wait("#since", "0:02:50 of 3 min")
    assert len(ward.page.context.pages) == 2  # the same tab
    assert reader.wrong == ward.wrong == []


def opened(reader, selector):
    """Click on what opens the viewer in a tab of its own, and return its reader."""
    with reader.page.expect_popup() as popup:
        reader.page.click(selector)
    other = Reader(popup.value, reader.url)
    other.until("performance.getEntriesByName('ictal:traces').length")
    return other


WHEN = """() => {
  window.when = [];
  const panel = document.querySelector("#when");
  new MutationObserver(() => window.when.push(panel.textContent)).observe(panel, { childList: true });
}"""
"""Note which windows the panel shows."""
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_the_viewer_follows_by_a_stream_and_rests_while_it_is_hidden(new_reader, url, recorders):  # noqa: F811
    one, _ = recorders
    one.record(60)
    wait_for(lambda: listed(url))
    reader = new_reader(url.replace("/ward?", "/?"))
    page, asked = reader.page, []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    reader.open()
    reader.wait("#since", "of 1 min")
    with page.expect_request(lambda request: "/overview?" in request.url):
        one.record(10)  # a row
    reader.wait("#since", "of 1 min 10 s")
    assert page.evaluate("import('/static/overview.js').then(({ overviewPlot }) => overviewPlot.span)") == [0, 70]
    with page.expect_event("requestfailed", lambda request: "/recordings/stream" in request.url):
        page.evaluate(HIDE, True)
    one.record(20)
    wait_for(lambda: listed(url)[0]["duration_s"] == 90)
    assert "of 1 min 10 s" in reader.text("#since")
    page.evaluate(HIDE, False)
    reader.wait("#since", "of 1 min 30 s")
    assert [asked.count(f"/api/recordings{each}") for each in ("", "/stream")] == [1, 2]  # nothing is polled
    assert "onnection" not in reader.text("#status")
    assert reader.wrong == []


def listed(url):
    return json.loads(ask(url, "recordings"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_patients_are_shown_where_they_are_asked_for(new_reader, whole, tmp_path, scheme):  # noqa: F811
    name = "MCH-0234567 F 02-MAY-1951 Haagse_Harry"
    recorders = [BedRecorder(whole, tmp_path / f"bed-{number}.edf", name) for number in (1, 2)]
    recorders[0].record(150)
    with watching(*(one.path for one in recorders), "--out", tmp_path / "out", "--show-patient") as url:
        reader = on_ward(new_reader, url, color_scheme=scheme)
        page, bed = reader.page, "#beds tbody tr:nth-child(1)"
        reader.wait(bed, name)
        reader.wait(bed, "live")
        assert page.evaluate(FITS)
        reader.until_ink(lambda ink: ink > 100, f"{bed} .hour")
        page.screenshot(path=artifacts(tmp_path) / f"ward-patient-{scheme}.png")
        other = page.locator("#beds tbody tr:nth-child(2) th > span:visible").all_inner_texts()
        assert other == ["bed-2", "waiting no data yet"]
        viewer = opened(reader, f"{bed} .hour")
        viewer.wait("#model", name)
        viewer.page.screenshot(path=artifacts(tmp_path) / f"ward-patient-viewer-{scheme}.png")
        assert reader.wrong == viewer.wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_ward_of_forty_beds_fits(new_reader, whole, tmp_path, scheme, axe):  # noqa: F811
    recorders = [BedRecorder(whole, tmp_path / f"bed-{number}.edf") for number in range(1, 41)]
    for number, recorder in enumerate(recorders):
        recorder.record(60 + 2 * number)
    with watching(*(one.path for one in recorders), "--out", tmp_path / "out") as url:
        reader = on_ward(new_reader, url, color_scheme=scheme)
        reader.wait("#counts", "40 live")
        reader.wait("#beds tr:nth-child(40) a", "bed-40")
        reader.wait("#alarm-list", "bed-40: seizure")
        for width in (390, 820, 1440, SIZE["width"]):
            reader.page.set_viewport_size(SIZE | {"width": width})
            assert reader.page.evaluate(FITS)
            assert reader.page.evaluate(WHOLE)
            reader.page.screenshot(path=artifacts(tmp_path) / f"ward-40-{scheme}-{width}.png")
        reader.page.evaluate(axe)
        assert violations(reader) == []
        reader.page.screenshot(path=artifacts(tmp_path) / f"ward-40-{scheme}.png")
        assert reader.wrong == []


def test_a_lost_connection_shows_and_is_found_again_after_a_restart(new_reader, recorders, tmp_path):  # noqa: F811
    recorders[0].record(60)
    command = (recorders[0].path, "--out", tmp_path / "out", "--port", free_port())
    with watching(*command) as url:
        reader = new_reader(url)
        page = reader.page
        page.clock.install()
        page.route("**/api/ward/stream*", lambda route: route.abort())
        page.goto(url)
        reader.wait("#connection", "Connection lost since")
        page.unroute_all()
        reader.wait("#beds .badge", "live")  # it connects again by itself
        reader.until("document.querySelector('#connection').textContent === ''")
    reader.wait("#connection", "Connection lost since")
    reader.wait("#beds .badge", "unknown")  # not 'live', whatever it was
    reader.wait("#beds tbody tr", "was live")
    reader.wait("#counts", "1 unknown")
    with watching(*command) as again:
        assert again == url
        page.clock.fast_forward(2000)
        reader.wait("#beds .badge", "live")  # without loading the page again
        reader.wait("#counts", "1 live")
        assert reader.text("#connection") == ""


def test_a_bed_becomes_stale_by_the_clock_of_the_page(new_reader, recorders, tmp_path):  # noqa: F811
    recorders[0].record(60)
    with watching(recorders[0].path, "--out", tmp_path / "out") as url:
        reader = new_reader(url)
        reader.page.clock.install()
        reader.page.goto(url)
        reader.wait("#beds .badge", "live")
        reader.page.clock.fast_forward(31_000)
        reader.wait("#beds .badge", "stale")


def test_an_acknowledged_seizure_that_goes_on_and_a_problem_are_marked_in_the_row(new_reader, recorders, tmp_path):  # noqa: F811
    one, two = recorders
    one.record(80)
    two.record(60)
    with watching(*(one.path for one in (two, one)), "--out", tmp_path / "out") as url:
        reader = on_ward(new_reader, url)
        reader.wait("#counts", "2 live")
        reader.wait("#sound", "Allow sound")
        for state in ("on", "off", "on"):  # the first click does not mute
            reader.page.click("#sound")
            reader.wait("#sound", f"Sound: {state}")
        assert reader.page.locator("#beds tbody a").all_inner_texts() == ["bed-2", "bed-1"]  # as they were given
        row = "#beds tbody tr:nth-child(2)"
        reader.wait("#alarm-list .sounds .facts", "goes on")
        reader.wait(f"{row} .burden:nth-child(2)", "1 min of 60")
        reader.page.click("#alarm-list .sounds button")
        reader.wait(f"{row}.acknowledged", "Seizure acknowledged, not over")
        two.path.unlink()
        row = "#beds tbody tr:nth-child(1)"
        reader.wait(f"{row} p.problem", "was removed")
        reader.wait(f"{row} .badge", "problem")
        reader.wait("#counts", "1 problem")
        whole = f"[document.querySelector('{row} p.problem')].every((e) => e.scrollWidth <= e.clientWidth)"
        assert reader.page.evaluate(whole)
        assert reader.text(f"{row} td:nth-child(4)") == "–"
        assert reader.wrong == []


def free_port() -> int:
    with bound("127.0.0.1", 0) as listening:
        return listening.getsockname()[1]


def test_the_how_to_goes_from_simulated_beds_to_an_alarm(new_reader, tmp_path, monkeypatch):  # noqa: F811
    text = (ROOT / "docs" / "watch.md").read_text(encoding="utf-8")
    simulate, watch = (
        shlex.split(next(line for line in text.splitlines() if line.strip().startswith(begin)))
        for begin in (
            "ictal simulate --live --beds 2 --hours 1 ",
            "ictal watch recordings/bed-1.edf recordings/bed-2.edf",
        )
    )
    monkeypatch.chdir(tmp_path)
    with subprocess.Popen([sys.executable, "-m", *simulate]) as recorder:
        try:
            with watching(*watch[2:]) as url:
                reader = on_ward(new_reader, url)
                reader.wait("#counts", "2 live")
                reader.wait("#alarm-list .sounds", "bed-1: seizure", 4 * WAIT_MS)
                reader.page.set_viewport_size({"width": 1280, "height": 340})
                shot(reader, artifacts(tmp_path) / "ward_light.png", 10_000)
                assert reader.wrong == []
        finally:
            recorder.kill()
