"""The page in a real browser: what a reader sees, and does by mouse and keys; benchmarks/viewer.py says how fast."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ictal.core.labels import PATTERNS
from ictal.core.montage import ELECTRODES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Recording
from ictal.data.manifest import read_manifest
from ictal.io.edf.writer import write_edf
from ictal.io.recording_files import recording_hash
from ictal.simulator import simulate_recording
from ictal.web.library import middles_of
from ictal.web.votes import FILE as VOTES
from ictal.web.votes import Votes
from tests.helpers import chromium_path, noise
from tests.io.test_edf_file import Made, tals, write
from tests.web.browser import FLAGS, Night, artifacts, ask, axe_source, make_night, viewing

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")

HOURS = 0.3
WAIT_MS = 30_000
COLOURS = 256
"""Of a screenshot: enough for the eye, and a quarter of the bytes."""
ANSWERED = "!/^$|^Asking the model/.test(document.querySelector('#why-note').textContent)"


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Night:
    return make_night(tmp_path_factory.mktemp("night"), HOURS)


@pytest.fixture(scope="module")
def url(night):
    with viewing(night.edf, "--out", night.out, "--model", night.model) as address:
        yield address


@pytest.fixture(scope="module")
def url_with_images(tmp_path_factory):
    """Serve the recording with a model that looks at images, which takes ten times as long to export and explain."""
    night = make_night(tmp_path_factory.mktemp("images"), HOURS, "spatial")
    with viewing(night.edf, "--out", night.out, "--model", night.model) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        path = chromium_path() or Path(playwright.chromium.executable_path)
        if not path.exists():
            pytest.skip("no Chromium: name one in $ICTAL_CHROMIUM, or run 'playwright install chromium'")
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


class Reader:
    """A page that someone looks at; what it writes to the console is kept."""

    def __init__(self, page, url):
        self.page, self.url, self.wrong = page, url, []
        page.on("console", lambda said: said.type == "error" and self.wrong.append(said.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def open(self, fragment=""):
        self.page.goto(self.url + fragment)
        self.until("performance.getEntriesByName('ictal:traces').length")
        return self

    def until(self, holds):
        """Wait for JavaScript to be true; playwright's own waiting needs eval, which the page's policy forbids."""
        for _ in range(WAIT_MS // 10):
            if self.page.evaluate(holds):
                return
            self.page.wait_for_timeout(10)
        pytest.fail(f"in vain: {holds}")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector):
        return self.page.text_content(selector)

    def wait(self, selector, text, most_ms=WAIT_MS):
        sync_api.expect(self.page.locator(selector)).to_contain_text(text, timeout=most_ms)

    def until_ink(self, holds, host, region="0, 0, 1, 1"):
        """Wait for a condition on the ink of a canvas, which is drawn after texts of the page have changed."""
        for _ in range(WAIT_MS // 10):
            if holds(found := self.ink(host, region)):
                return
            self.page.wait_for_timeout(10)
        pytest.fail(f"in vain: {found} pixels of {host}")

    def ink(self, host, region="0, 0, 1, 1"):
        """Return how many pixels of a part (shares of x, y, width, height) of a canvas have a colour of their own."""
        return self.page.evaluate(
            f"""([x, y, w, h]) => {{
              const canvas = document.querySelector('{host} canvas');
              const [W, H] = [canvas.width, canvas.height];
              const {{ data }} = canvas.getContext('2d').getImageData(x * W, y * H, w * W, h * H);
              let count = 0;
              for (let at = 0; at < data.length; at += 4) {{
                const rgb = data.subarray(at, at + 3);
                count += data[at + 3] > 128 && Math.max(...rgb) - Math.min(...rgb) > 60;
              }}
              return count;
            }}""",
            [float(part) for part in region.split(",")],
        )


@pytest.fixture
def new_reader(browser):
    """Return a maker of pages in a browser without a past."""
    contexts = []

    def make(url, **options) -> Reader:
        contexts.append(browser.new_context(viewport={"width": 1440, "height": 900}, **options))
        contexts[-1].set_default_timeout(WAIT_MS)
        return Reader(contexts[-1].new_page(), url)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def reader(new_reader, url):
    one = new_reader(url).open()
    yield one
    assert one.wrong == []


def as_rater(reader, name):
    reader.page.select_option("#rater", "+")
    reader.page.fill("#rater-name", name)
    reader.page.click("#rater-ok")
    reader.wait("#progress", "voted")


def test_traces_are_drawn_and_each_page_is_fetched_before_it_is_turned_to(reader):
    reader.until_ink(lambda ink: ink > 2000, "#eeg", "0.1, 0, 0.9, 1")
    asked = []

    def note(request):
        if found := re.search(r"/signal\?.*\bstart_s=(\d+)", request.url):
            asked.append(int(found[1]))

    reader.page.on("request", note)
    for turn in range(1, 6):
        reader.press("ArrowRight")
        reader.until(f"performance.getEntriesByName('ictal:page').length >= {turn}")
    assert reader.text("#clock") == "00:00:50"
    assert asked == [20, 30, 40, 50, 60]  # the next page each time, and none twice


def test_events_are_jumped_to_by_key_and_shown_with_what_a_panel_would_say(reader, night):
    events = night.scores.events()
    assert len(events) >= 2
    for event in events[:2]:
        reader.press("n")
        reader.wait("#status", f"of {len(events)}")
        minutes, seconds = divmod(int(event.start_s), 60)
        reader.wait("#when", f"00:{minutes:02}:{seconds:02} –")
        reader.wait("#expected", "Of ten experts")
    reader.press("p")
    reader.wait("#status", "event 1 of")
    row = night.scores.frame[night.scores.frame["start_s"] == events[0].start_s].iloc[0]
    reader.wait("#bars .number >> nth=0", f"{row['seizure_probability']:.2f}")


def test_montage_filters_sensitivity_and_length_of_the_page(reader):
    page = reader.page
    with page.expect_request(lambda request: "montage=transverse" in request.url):
        page.select_option("#montage", "transverse")
    with page.expect_request(lambda request: "low_hz=0.5" in request.url and "notch_hz" not in request.url):
        page.select_option("#low_hz", "0.5")
    with page.expect_request(lambda request: "notch_hz=50" in request.url and "high_hz=15" not in request.url):
        page.select_option("#notch_hz", "50")
    with page.expect_request(lambda request: "stop_s=50" in request.url):
        page.select_option("#page_s", "50")
    # The EKG has a scale of its own, so that what is looked at lies above it.
    page.select_option("#sensitivity", "7")
    before = reader.ink("#eeg", "0.1, 0, 0.9, 0.8")
    reader.press("+", "+", "+")
    assert reader.text("#sensitivity option:checked") == "2 µV/mm"
    reader.until_ink(lambda ink: ink > 1.3 * before, "#eeg", "0.1, 0, 0.9, 0.8")
    reader.press("m")
    assert page.input_value("#montage") == "average"
    sync_api.expect(page.locator("#eeg")).to_have_attribute("aria-label", re.compile("50 s, average, 2 µV/mm"))


def test_the_overview_zooms_by_drawing_wheel_and_key_and_a_click_goes_there(reader):
    page = reader.page
    box = page.locator("#day").bounding_box()
    x = lambda share: box["x"] + 90 + share * (box["width"] - 100)  # noqa: E731 - a place on the axis
    y = box["y"] + 60

    def asked(request):
        return "/overview?" in request.url and "start_s=0&" not in request.url

    page.mouse.move(x(0.25), y)
    page.mouse.down()
    page.mouse.move(x(0.75), y, steps=3)
    with page.expect_request(asked) as drawn:
        page.mouse.up()
    start, stop = (float(drawn.value.url.split(f"{end}_s=")[1].split("&")[0]) for end in ("start", "stop"))
    assert (start, stop) == pytest.approx((0.25 * HOURS * 3600, 0.75 * HOURS * 3600), abs=5)
    page.mouse.click(x(0.5), y)
    middle_s = HOURS * 1800
    sync_api.expect(page.locator("#day")).to_have_attribute("aria-valuenow", str(round(middle_s // 10 * 10)))
    with page.expect_request(asked) as turned:
        page.mouse.wheel(0, -300)
    assert float(turned.value.url.split("start_s=")[1].split("&")[0]) > start
    with page.expect_request(
        lambda request: "start_s=0&" in request.url and f"stop_s={HOURS * 3600:g}" in request.url
    ):
        page.mouse.dblclick(x(0.5), y)


def test_a_blind_rater_votes_by_key_sees_the_model_afterwards_and_exports(reader, url, tmp_path):
    recording = json.loads(ask(url, "recordings"))[0]["id"]
    as_rater(reader, "Reader A")
    reader.press("u")
    reader.wait("#when", "00:00:20 –")
    reader.wait("#expected", "Hidden until you have voted")
    assert reader.page.is_disabled("#event-after")
    reader.press("1")
    reader.wait("#expected", "Of ten experts")
    # the window may come back before the list of votes does
    pressed = reader.page.locator("[data-pattern=seizure]")
    sync_api.expect(pressed).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
    reader.press("u")
    reader.wait("#when", "00:00:30 –")
    reader.page.click("[data-pattern=gpd]")
    reader.wait("#progress", "2 of")
    reader.press("3")  # the same again takes it back
    reader.wait("#progress", "1 of")
    reader.press("u", "2")  # faster than the server: the vote goes to the window that is looked at now
    reader.wait("#status", "Reader A voted LPD at 00:00:40")
    reader.wait("#progress", "2 of")
    reader.press("2")
    reader.wait("#progress", "1 of")
    (vote,) = json.loads(ask(url, f"recordings/{recording}/votes?rater=Reader%20A"))
    assert (vote["time_s"], vote["pattern"]) == (25, "seizure")
    with reader.page.expect_download() as saved:
        reader.page.click("#export")
    saved.value.save_as(tmp_path / "votes.csv")
    labels = read_manifest(tmp_path / "votes.csv").labels
    assert labels["seizure_vote"].tolist() == [1]
    reader.page.click("#agreement")
    reader.wait("#agreement-dialog", "Reader A 1")


def test_the_model_is_asked_what_speaks_for_the_pattern(reader):
    reader.press("n")
    reader.wait("#expected", "Of ten experts")
    plain = reader.ink("#eeg", "0.1, 0, 0.9, 1")
    reader.press("t")
    reader.until(ANSWERED)
    reader.until_ink(lambda ink: ink != plain, "#eeg", "0.1, 0, 0.9, 1")


@pytest.mark.slow
def test_the_image_that_the_model_saw_is_shown(new_reader, url_with_images):
    reader = new_reader(url_with_images).open()
    reader.press("n")
    reader.wait("#expected", "Of ten experts")
    reader.press("s")
    sync_api.expect(reader.page.locator(".mel")).to_have_count(4, timeout=WAIT_MS)
    reader.page.locator(".mel").first.scroll_into_view_if_needed()
    reader.until_ink(lambda ink: ink > 500, ".mel")
    assert reader.wrong == []


def test_similar_windows_are_asked_for_and_not_before(reader, url):
    reader.press("n")
    reader.wait("#expected", "Of ten experts")
    asked = []
    reader.page.on("request", lambda request: asked.append(request.url))
    reader.press("ArrowRight")
    reader.wait("#expected", "Of ten experts")
    reader.page.wait_for_timeout(1000)
    assert not [each for each in asked if "/similar?" in each]
    reader.press("l")
    reader.wait("#similar", "windows for comparison")  # how far it is
    assert reader.page.get_attribute("#similar-toggle", "aria-pressed") == "true"
    reader.press("l")
    sync_api.expect(reader.page.locator("#similar")).to_have_text("")


def test_time_and_amplitude_are_measured_by_drawing(reader):
    page = reader.page
    box = page.locator("#eeg").bounding_box()
    second = (box["width"] - 100) / 10
    page.select_option("#sensitivity", "7")
    reader.press("n")
    reader.wait("#expected", "Of ten experts")
    looked_at = reader.text("#when")
    left, top = box["x"] + 90 + 2 * second, box["y"] + 100
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + second / 2, top + 20 * 96 / 25.4, steps=3)  # 20 mm at 7 µV/mm
    assert reader.text("#status") == "0.50 s = 2.0 Hz, 140 µV"
    page.mouse.up()
    assert reader.text("#status") == "0.50 s = 2.0 Hz, 140 µV"  # stays, to be written down
    assert reader.text("#when") == looked_at  # to draw is not to click


def test_dark_follows_the_system_and_the_switch(new_reader, url):
    reader = new_reader(url, color_scheme="dark").open()
    paper = "getComputedStyle(document.querySelector('#eeg')).backgroundColor"
    assert reader.page.evaluate(paper) == "rgb(16, 20, 26)"
    reader.page.click("#theme")
    assert reader.page.evaluate(paper) == "rgb(255, 255, 255)"
    reader.page.reload()
    assert reader.page.evaluate(paper) == "rgb(255, 255, 255)"
    assert reader.wrong == []


def test_everything_is_reached_by_tab_with_focus_that_shows(reader):
    controls = "button:not([disabled]), select, input:not([hidden] *), [tabindex='0']"
    ids = "(nodes) => nodes.filter((node) => node.checkVisibility()).map((node) => node.id || node.dataset.pattern)"
    wanted = set(reader.page.eval_on_selector_all(controls, ids))
    reached = {}
    for _ in range(2 * len(wanted)):
        reader.press("Tab")
        name = reader.page.evaluate("document.activeElement.id || document.activeElement.dataset.pattern")
        outline = reader.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        reached[name] = outline
    assert wanted <= set(reached)
    assert {outline for name, outline in reached.items() if name in wanted} == {"solid"}


def test_a_reader_without_a_mouse_opens_help_chooses_and_turns_pages(reader):
    reader.press("?")
    reader.wait("#help-dialog", "next event")
    reader.press("Escape", "End")
    reader.wait("#clock", "00:17:50")
    reader.press("ArrowLeft", "Shift+ArrowRight")
    reader.wait("#clock", "00:17:41")
    reader.page.focus("#page_s")
    reader.press("ArrowDown")  # in a select an arrow chooses and turns no page
    assert reader.page.input_value("#page_s") == "15"
    reader.press("Escape", "w")
    sync_api.expect(reader.page.locator("#why")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(new_reader, url, scheme, axe):
    reader = new_reader(url, color_scheme=scheme).open()
    reader.press("n")
    reader.wait("#expected", "Of ten experts")
    reader.page.evaluate(axe)
    found = [violations(reader)]
    for dialog in ("help", "agreement"):
        reader.page.click(f"#{dialog}")
        reader.wait(f"#{dialog}-dialog", "Close")
        found.append(violations(reader))
        reader.press("Escape")
    assert found == [[], [], []]
    assert reader.wrong == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    return axe_source(tmp_path_factory.mktemp("axe"))


def violations(reader):
    run = (
        "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]))"
    )
    return reader.page.evaluate(run)


@pytest.mark.slow
def test_scores_appear_while_they_are_made(new_reader, night, tmp_path):
    with viewing(night.edf, "--out", tmp_path, "--model", night.model) as address:
        reader = new_reader(address).open()
        reader.page.click("#page-after")
        reader.page.click("#page-after")
        reader.until("document.querySelector('#bars .number')?.textContent.startsWith('0.')")
        reader.until("document.querySelector('#state').textContent === ''")
        reader.until_ink(lambda ink: ink > 1000, "#day", "0.1, 0.1, 0.9, 0.4")
        assert reader.wrong == []


@pytest.mark.slow
def test_a_file_is_sent_to_an_empty_page_scored_and_shown_and_a_wrong_one_refused(new_reader, night, tmp_path):
    path = tmp_path / "sent.edf"
    write_edf(path, simulate_recording(3, 0, 0.05))
    (tmp_path / "notes.docx").write_bytes(b"PK no EEG")
    with viewing("--upload", "--out", tmp_path / "out", "--model", night.model) as address:
        reader = new_reader(address)
        reader.page.goto(address)
        reader.wait("#banner", "No recording is shown yet. Add a file above.")
        reader.press("ArrowRight", "n", "1", "t", "z")  # do nothing, and no harm
        reader.page.set_input_files("#file", tmp_path / "notes.docx")
        reader.wait("#status", "'notes.docx': cannot be uploaded; allowed are .edf")
        reader.wrong.clear()  # the browser itself notes the status 400
        reader.page.set_input_files("#file", path)
        reader.wait("#status", "sent.edf was added")
        assert reader.page.input_value("#recording") == json.loads(ask(address, "recordings"))[0]["id"]
        reader.until_ink(lambda ink: ink > 1000, "#eeg", "0.1, 0, 0.9, 1")
        reader.until("document.querySelector('#state').textContent === ''")
        reader.press("ArrowRight", "ArrowRight")  # the first 20 s are no window's centre
        reader.until("document.querySelector('#bars .number')?.textContent.startsWith('0.')")
        sync_api.expect(reader.page.locator("#banner")).to_be_hidden()
        assert reader.wrong == []


def test_without_upload_there_is_nothing_to_send_files_with(reader):
    sync_api.expect(reader.page.locator("#upload")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_raters_see_how_they_agree_with_each_other_and_with_the_model(new_reader, night, tmp_path, scheme, axe):
    night.scores.write(tmp_path / "night_scores.parquet")
    votes_of_two(night, tmp_path)
    with viewing(night.edf, "--out", tmp_path, "--model", night.model) as address:
        reader = new_reader(address, color_scheme=scheme).open()
        reader.press("a")
        reader.wait("#agreement-dialog", "Ada 40, Ben 40; on 40 windows in all")
        told = json.loads(ask(address, "agreement"))
        pair = next(each for each in told["pairs"] if each["b"] == "Ben")
        reader.wait("#agreement-dialog tbody >> nth=0", f"{pair['kappa']:.2f}")
        n_better = told["panel"]["n_better"]["value"]
        reader.wait("#agreement-dialog", f"For {n_better:g} of 2 raters, the model agrees better")
        reader.wait("#agreement-dialog tbody >> nth=1", f"{told['panel']['experts'][1]['model_kappa']['value']:.2f}")
        sync_api.expect(reader.page.locator(".interval-plot").first).to_be_visible()
        drawn = (
            "[...document.querySelectorAll('.interval-plot')].map((each) => each.querySelectorAll('.point').length)"
        )
        assert reader.page.evaluate(drawn) == [3, 4]  # three pairs; two raters, and the model in the place of each
        shot(reader, artifacts(tmp_path) / f"viewer_agreement_{scheme}.png")
        reader.page.evaluate(axe)
        assert violations(reader) == []
        reader.press("Escape")
        sync_api.expect(reader.page.locator("#agreement-dialog")).to_be_hidden()
        assert reader.wrong == []


def votes_of_two(night, out):
    """Let two raters vote on forty windows: Ada mostly with the model, Ben less often."""
    votes, rng = Votes(out / VOTES), np.random.default_rng(0)
    rows = np.linspace(0, len(night.scores.frame) - 1, 40).astype(int)
    tops = night.scores.frame[list(PROBABILITY_COLUMNS)].to_numpy().argmax(axis=1)
    for name, faithful in (("Ada", 0.9), ("Ben", 0.7)):
        votes.add_rater(name)
        for row in rows:
            top = tops[row] if rng.random() < faithful else rng.integers(6)
            votes.give(
                recording_hash(night.edf), str(night.edf), middles_of(night.scores.frame)[row], name, PATTERNS[top]
            )


@pytest.mark.slow
def test_a_recording_that_cannot_be_scored_is_shown_with_the_reason(new_reader, night, tmp_path):
    path = tmp_path / "few.edf"
    write_edf(path, Recording.from_array(noise(200 * 120)[:4], ("Fp1", "F3", "C3", "P3"), 200, "few"))
    with viewing(path, "--out", tmp_path, "--model", night.model) as address:
        reader = new_reader(address).open()
        reader.wait("#banner", "Not scored: ")
        reader.until_ink(lambda ink: ink > 1000, "#eeg", "0.1, 0, 0.9, 1")
        assert reader.wrong == []


@pytest.mark.slow
def test_gaps_are_hatched_and_lost_connections_are_told_and_mended(new_reader, night, tmp_path):
    steps = (noise(120 * 200) * 30).astype(np.int64).reshape(20, 120, 200)
    times = [tals(f"+{second + 60 * (second >= 60)}") for second in range(120)]
    signals = [Made(f"EEG {name}-REF", row) for name, row in zip(ELECTRODES, steps, strict=False)]
    path = write(tmp_path / "gap.edf", signals, times, plus="EDF+D")
    with viewing(path, "--out", tmp_path, "--model", night.model) as address:
        reader = new_reader(address).open("#none/0")
        drawn = reader.ink("#eeg", "0.1, 0, 0.9, 1")
        reader.press(*["ArrowRight"] * 6)
        reader.wait("#clock", "00:00:58")
        reader.until_ink(lambda ink: ink < drawn / 10, "#eeg", "0.1, 0, 0.9, 1")
        assert reader.wrong == []
        reader.page.context.set_offline(True)
        reader.press("m")  # a stream that is open may outlive this, but a new montage must be fetched
        reader.wait("#status", "No connection to ictal")
        reader.page.context.set_offline(False)
        reader.wait("#status", "Connected again")


def test_without_the_token_the_page_says_what_to_open(new_reader, url):
    reader = new_reader(url.split("?")[0])
    reader.page.goto(reader.url)
    reader.wait("#banner", "The token is missing or out of date")


@pytest.mark.slow
def test_screenshots(new_reader, url_with_images, tmp_path):
    """Kept as artifacts; with ICTAL_SCREENSHOTS=docs/images they are those of the documentation."""
    folder = artifacts(tmp_path)
    for scheme in ("light", "dark"):
        reader = new_reader(url_with_images, color_scheme=scheme).open()
        reader.page.select_option("#high_hz", "30")
        reader.press("e", "n", "n")
        reader.wait("#status", "event 2 of")
        reader.wait("#expected", "Of ten experts")
        reader.page.wait_for_timeout(300)
        shot(reader, folder / f"viewer_{scheme}.png")
        reader.press("t", "s")
        reader.until(ANSWERED)
        reader.page.locator("#why-note").scroll_into_view_if_needed()
        shot(reader, folder / f"viewer_why_{scheme}.png")
    reader = new_reader(url_with_images).open()
    as_rater(reader, "Reader B")
    reader.page.select_option("#high_hz", "30")
    reader.press("u", "6")
    reader.wait("#expected", "Of ten experts")
    pressed = reader.page.locator("[data-pattern=other]")
    sync_api.expect(pressed).to_have_attribute("aria-pressed", "true", timeout=WAIT_MS)
    shot(reader, folder / "viewer_vote.png")
    names = {f"viewer{what}_{scheme}.png" for what in ("", "_why") for scheme in ("light", "dark")}
    assert names | {"viewer_vote.png"} <= {path.name for path in folder.iterdir()}


def shot(reader, path, min_bytes=50_000):
    reader.page.screenshot(path=path)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    assert path.stat().st_size > min_bytes
