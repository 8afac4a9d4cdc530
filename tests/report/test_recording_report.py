"""Pages and figures of made-up scores: no model is run for them."""

import html
import itertools
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage

from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.report.colours import PATTERN_COLOURS
from ictal.report.day import N_COLUMNS, Day
from ictal.report.recording_figures import GAP, scores_figure, semilog, semilog_inverse
from ictal.report.recording_report import render_recording, top_windows
from ictal.report.recording_words import coverage_in_words, location_in_words, shape_in_words
from ictal.scoring.events import EVENT_PATTERNS, EventSettings, find_events
from ictal.scoring.scores import Scores
from ictal.terminology.findings import Location, Shape
from ictal.terminology.words import event_sentence, recording_paragraph
from tests.helpers import chromium_path
from tests.report.scored import made_up_scores, made_up_signals
from tests.report.test_ablation_report import Page
from tests.scoring.findings import findings_of

TITLES = tuple(PATTERN_TITLES[pattern] for pattern in EVENT_PATTERNS)
GAPS = ((30_000.0, 2_400.0), (60_500.0, 400.0))
REFUSED = ((50_000.0, 53_000.0), (70_000.0, 70_300.0))

# Linear sRGB as it looks to those who lack a kind of cone (Machado et al., IEEE TVCG 2009, severity 1.0), and to XYZ.
VISION = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


@pytest.fixture(scope="module")
def day():
    return made_up_scores(gaps=GAPS, refused=REFUSED)


@pytest.fixture(scope="module")
def page(day):
    """Return the page of a day whose events have numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scores, "findings", findings_of)
        return render_recording(day, made_up_signals)


@pytest.fixture(scope="module")
def glance(day):
    figure = scores_figure(day)
    figure.draw_without_rendering()
    return figure


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left").startswith(title))


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)))


def bars(axes, pattern):
    """Return from when to when the bars of a pattern reach."""
    (row,) = (c for c in axes.collections if np.allclose(c.get_facecolor(), (*to_rgb(PATTERN_COLOURS[pattern]), 1)))
    return sorted((path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in row.get_paths())


def test_a_day_is_one_small_page_that_stands_alone_and_is_well_formed(page):
    assert len(page.encode()) < 5e6
    parsed = Page()
    parsed.feed(page)
    assert not parsed.open
    assert len(parsed.ids) == len(set(parsed.ids)) > 100
    outside = [target for target in parsed.fetched if not target.startswith("data:image/png;base64,")]
    assert all(target.startswith("#") and target[1:] in parsed.ids for target in outside)
    assert not re.search(r"url\((?!#)|@import", page)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(parsed.ids)


def test_the_head_says_what_was_scored_by_what(page):
    text = words(page)
    for part in (
        "EEG scored: night.edf",
        "Not a medical device",
        "14 March 2030, 21:37:12",
        "24 h",
        "referential, 20 channels at 256 Hz; interpolated from others: T3",
        "15 Mar 05:57:12 (40 min), 15 Mar 14:25:32 (6 min 40 s)",
        "runs/both, arm both, trained on sim",
        "onnxruntime, version 1.20, precision float32",
        "trained on simulated EEG",
        "nurse &lt;in&gt; room",
    ):
        assert part in text


def test_the_title_is_the_name_of_the_file_and_not_its_path(page):
    assert "<title>ictal: night.edf</title>" in page
    scores = made_up_scores(100)
    windows = scores.recording.model_copy(update={"name": "D:\\ward 3\\night 2.edf"})
    assert "EEG scored: night 2.edf" in words(render_recording(replace(scores, recording=windows)))


def test_a_heading_and_the_figure_that_it_heads_are_one_block(page):
    blocks = re.findall(r'<div class="lead">(.*?)</div>', page, re.DOTALL)
    assert len(blocks) == 1 + len(EVENT_PATTERNS)
    assert all(block.count("<figure") == 1 and re.search("<h[23]>", block) for block in blocks)
    assert page.count("<h3>") == len(EVENT_PATTERNS)


@pytest.mark.exhaustive
def test_on_paper_no_caption_is_torn_from_its_figure_and_no_row_is_folded_away(tmp_path):
    browser, reader = chromium_path(), shutil.which("pdftotext")
    if not browser or not reader:
        pytest.skip("Chromium and pdftotext are needed: name a browser in $ICTAL_CHROMIUM")
    scores = made_up_scores(3 * 3600)
    hot = np.arange(len(scores.frame)) % 12 < 3
    scores = replace(scores, frame=scores.frame.assign(seizure_probability=np.where(hot, 0.95, 0.01)))
    report, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    report.write_text(render_recording(scores, made_up_signals))
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer")
    subprocess.run([browser, *options, f"--print-to-pdf={paper}", report.as_uri()], check=True, capture_output=True)
    told = subprocess.run([reader, "-layout", paper, "-"], check=True, capture_output=True, text=True).stdout
    pages = told.split("\f")
    for text in pages:
        # A figure says 'probabilities' below its bars.
        assert len(re.findall(r"^ *[123]\. \w+, probability", text, re.MULTILINE)) == text.count("probabilities")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        headings = (
            "At a glance",
            "The clearest windows of each pattern",
            "Events",
            "Hour by hour",
            "Quality",
            *TITLES,
        )
        assert not lines or lines[-1] not in headings
    assert sum(text.count("probabilities") for text in pages) >= 12
    events = scores.events()
    assert len(events) > 40, "so that the table is folded on the screen"
    assert len(re.findall(r" 0\.\d\d +0\.\d\d *$", told, re.MULTILINE)) == len(events)


def test_every_event_and_hour_is_in_a_table(page, day):
    rows = {name: re.search(rf'<table class="{name}">.*?</table>', page, re.DOTALL)[0].count("<tr>") - 1
            for name in ("events", "hours", "quality", "annotations")}  # fmt: skip
    assert rows == {"events": len(day.events()), "hours": 24, "quality": 24, "annotations": 1}
    first, text = day.events()[0], words(page)
    measured = "1 h 55 min 1.5 Hz (1.0–2.0) generalized: frontal, central 150 µV, sharp, 3 phases fluctuating"
    sentence = event_sentence(findings_of(day).events[0], Day(day, EventSettings()).clock.text)
    assert f"23:32:22 GPD {sentence} {measured} {first.mean:.2f} {first.peak:.2f}" in text
    assert re.search(r"\d+ min – – – – 0\.\d\d 0\.\d\d", text), "the GRDA, of which nothing could be measured"
    assert "21:37–22:37 1 h 0 % 0 % 0 % 0 % 0 % nearly continuous 32 µV normal 4 % mild asymmetry" in text
    assert "22:37–23:37 1 h 0 % 0 % 8 % occasional 0 % 0 % – – 4 % mild asymmetry" in text


def test_the_first_page_is_a_paragraph_that_says_who_wrote_it(page, day):
    paragraph = recording_paragraph(findings_of(day), Day(day, EventSettings()).clock.text)
    text = words(page)
    assert re.search(rf"Findings {re.escape(paragraph)} Written by software", text)
    assert text.index("Written by software") < text.index("At a glance") < text.index("Events Frequency")
    maps = re.findall(r'<svg class="scalp".*?<title>(\w+): [^<]*</title>.*?</svg>', page, re.DOTALL)
    assert maps == ["Seizure", "LPD", "GPD", "LRDA"], "where the GRDA is is not known"


def test_a_page_of_scores_without_measurements_has_dashes(day):
    text = words(render_recording(day))
    assert "1 h 55 min – – – – 0." in text
    assert "8 % occasional 0 % 0 % – – – –" in text
    assert "Amplitude of each pattern" not in text


def test_a_week_has_a_row_for_each_hour_that_is_folded_on_the_screen():
    page = render_recording(made_up_scores(7 * 86_400.0))
    assert re.search(r"<details[^>]*><summary>All 168 hours</summary>", page)
    assert re.search(r'<table class="hours">.*?</table>', page, re.DOTALL)[0].count("<tr>") == 1 + 168


@pytest.mark.parametrize(
    ("main_term", "side", "regions", "expected"),
    [
        ("lateralized", "left", ("frontal", "temporal"), "left: frontal, temporal"),
        ("lateralized", None, ("occipital",), "lateralized: occipital"),
        ("generalized", None, (), "generalized"),
        ("bilateral independent", "right", ("temporal",), "bilateral independent, more on the right: temporal"),
    ],
)
def test_a_place_is_written_with_its_regions(main_term, side, regions, expected):
    assert location_in_words(Location(main_term, side, regions, (), (0.0,) * 19)) == expected


def test_a_rhythm_has_an_amplitude_and_neither_sharpness_nor_phases():
    assert shape_in_words(Shape(80.4, None, None)) == "80 µV"
    assert shape_in_words(Shape(80.6, "spiky", 1)) == "81 µV, spiky, 1 phase"


def test_the_clearest_windows_are_drawn_from_the_recording_best_first(day):
    asked = []

    def signals_of(times):
        asked.append(times)
        return made_up_signals(times)

    text = words(render_recording(day, signals_of, top=2))
    shown = [float(value) for value in re.findall(r"[12]\. \w+, probability (0\.\d\d), at", text)]
    expected, starts = [], set()
    for pattern in EVENT_PATTERNS:
        values = day.frame.set_index("start_s")[f"{pattern}_probability"]
        first = values.idxmax()
        best = [first, values.drop(first).idxmax()]
        expected += [round(values[start], 2) for start in best]
        starts |= {*best}
    assert shown == expected
    assert asked == [[(start, start + 10) for start in sorted(starts)]], "all at once, in order of time"


def test_without_the_recording_the_page_says_that_it_shows_no_traces():
    assert "so no traces are shown" in words(render_recording(made_up_scores(600)))


def test_flawed_electrodes_are_named_beside_a_window():
    scores = made_up_scores(60)
    frame = scores.frame.assign(marks=[np.array([0b1, 0b10001, *[0] * 17], dtype=np.uint8)] * 2)
    assert "(flat: Fp1, F3; muscle: F3)" in words(render_recording(replace(scores, frame=frame), made_up_signals))


def of_rows(seizure, span_s=None, gaps=(), **columns):
    """Return a day of rows of 10 s with these probabilities of seizure (NaN: refused), the rest being other."""
    values = np.array(seizure, dtype=float)
    scores = made_up_scores(10 * len(values) + 40, start=None)
    probabilities = np.zeros((len(values), 6))
    probabilities[:, 0], probabilities[:, 5] = values, 1 - values
    probabilities[np.isnan(values)] = np.nan
    frame = scores.frame.assign(**dict(zip(PROBABILITY_COLUMNS, probabilities.T, strict=True)), **columns)
    info = scores.recording.model_copy(update={"gaps": gaps, "span_s": span_s or scores.recording.span_s})
    return Day(replace(scores, frame=frame, recording=info), EventSettings())


def test_what_was_not_scored_is_said_with_its_reasons():
    flaws = {"flat": 12, "missing": 0, "clipped": 0, "implausible": 0}
    lost = of_rows([0, 0, np.nan, np.nan, np.nan, 0], span_s=160, gaps=((100, 60),), **flaws)
    assert coverage_in_words(lost) == (
        "30 s of 2 min 40 s were scored. Not scored: 1 min in 1 gap; 30 s because of low quality (of 19 electrodes "
        "on average 12 flat); 40 s at the edges, outside every window's centre."
    )
    whole = of_rows([0] * 6, span_s=60)
    assert coverage_in_words(whole) == "1 min of 1 min were scored."


@given(
    starts=st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True).map(sorted),
    seed=st.integers(0, 99),
    top=st.integers(1, 4),
)
def test_top_windows_do_not_overlap_and_leave_out_nothing_better(starts, seed, top):
    frame = made_up_scores(50).frame.iloc[[0] * len(starts)].reset_index(drop=True)
    values = np.random.default_rng(seed).random(len(starts)).round(1)
    frame = frame.assign(start_s=starts, stop_s=np.array(starts) + 10, lpd_probability=values)
    rows = top_windows(frame, "lpd", top)
    assert values[rows].tolist() == sorted(values[rows], reverse=True)
    assert all(abs(starts[a] - starts[b]) >= 10 for a, b in itertools.combinations(rows, 2))
    for other in set(range(len(starts))) - set(rows):
        better = [row for row in rows if values[row] >= values[other]]
        assert len(better) == top or any(abs(starts[row] - starts[other]) < 10 for row in better)


def test_events_stand_at_their_times_and_a_short_one_is_never_thinner_than_a_line(glance, day):
    axes = panel(glance, "Events")
    for pattern in EVENT_PATTERNS:
        expected = [(event.start_s, event.stop_s) for event in find_events(day.frame) if event.pattern == pattern]
        np.testing.assert_allclose(bars(axes, pattern), expected)
    assert all(min(bar.get_linewidth()) >= 0.5 for bar in axes.collections)
    assert [text.get_text() for text in axes.texts][:2] == ["2 events, 14 min", "4 events, 4 h 22 min"]


def test_gaps_are_grey_in_every_panel_and_the_unscored_is_not_white(glance):
    grounds = 0
    for axes in glance.axes:
        assert axes.patch.get_hatch() == "////"
        greys = [patch for patch in axes.patches if np.allclose(patch.get_facecolor(), (*to_rgb(GAP), 1))]
        assert [(p.get_x(), p.get_width()) for p in greys] == list(GAPS)
        white = [patch for patch in axes.patches if np.allclose(patch.get_facecolor(), 1)]
        if axes.get_title(loc="left").startswith(("Events", "Burden", "Spread")):
            middle = sum(REFUSED[0]) / 2
            assert white
            assert not any(p.get_x() <= middle <= p.get_x() + p.get_width() for p in white)
            grounds += 1
    assert grounds == 3


def test_stacked_probabilities_reach_one_and_stop_where_nothing_was_scored(glance):
    axes = panel(glance, "Probability")
    vertices = np.concatenate([path.vertices for path in axes.collections[-1].get_paths()])
    assert vertices[:, 1].max() == pytest.approx(1)
    assert len(axes.collections) == len(PATTERNS)
    inside = (vertices[:, 0] > REFUSED[0][0] + 150) & (vertices[:, 0] < REFUSED[0][1] - 150)
    assert not inside.any()


def test_the_spectrum_is_blank_in_gaps_and_brighter_on_the_louder_side(glance):
    images = [
        next(child for child in panel(glance, f"Spectrum, {side}").get_children() if isinstance(child, AxesImage))
        for side in ("left", "right")
    ]
    left, right = (np.ma.filled(image.get_array().astype(float), np.nan) for image in images)
    assert left.shape == (40, N_COLUMNS)
    blank = np.isnan(left).all(axis=0)
    columns_of_gap = N_COLUMNS * GAPS[0][1] / 86_400
    assert blank[int(30_100 / 72) : int(32_300 / 72)].all()
    assert columns_of_gap < blank.sum() < 1.5 * columns_of_gap
    # The right side was made at 0.8 of the left one's amplitude.
    assert np.nanmean(left - right) == pytest.approx(-20 * np.log10(0.8), abs=0.05)
    assert images[0].norm.vmin == images[1].norm.vmin


def test_burden_bars_are_the_burden_of_each_hour(glance, day):
    table = day.burden("1h")
    drawn = [patch for patch in panel(glance, "Burden").patches if patch.get_width() < 600]
    for pattern in EVENT_PATTERNS:
        colour = (*to_rgb(PATTERN_COLOURS[pattern]), 1)
        heights = [patch.get_height() for patch in drawn if np.allclose(patch.get_facecolor(), colour)]
        np.testing.assert_allclose(heights, table[table["pattern"] == pattern]["burden"].fillna(0))


@pytest.mark.parametrize("span_s", [30.0, 60.0, 7_200.0, 7 * 86_400.0])
def test_nothing_is_clipped_or_overlaps_at_any_length(span_s):
    figure = scores_figure(made_up_scores(span_s, start=None if span_s == 60 else made_up_scores().recording.start))
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    assert figure.legends[0].get_window_extent().width < width
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in (*axes.texts, axes.yaxis.label, axes.xaxis.label)]
        boxes += [label.get_window_extent() for label in axes.get_yticklabels()]
        labels = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        for box in (*boxes, *labels):
            assert box.x0 >= -1
            assert box.x1 <= width + 1
            assert box.y0 >= -1
            assert box.y1 <= height + 1
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(labels))


def test_a_recording_without_any_window_has_a_page():
    text = words(render_recording(made_up_scores(45, start=None), made_up_signals))
    assert "Nothing could be scored" in text
    assert "No pattern has events or a probability of at least one half" in text
    assert "0 s of 45 s were scored" in text


@pytest.mark.parametrize(
    ("level", "top"), [(3, 100), (40, 100), (100, 100), (180, 250), (420, 500), (3000, 5000), (1e6, 10_000)]
)
def test_the_axis_of_the_amplitude_reaches_as_far_as_the_data(level, top):
    scores = made_up_scores(3600)
    highs = np.full(len(scores.frame), float(level))
    highs[0], highs[1] = 8000, np.nan  # an artifact, and a window without
    frame = scores.frame.assign(aeeg_left_high=highs, aeeg_right_high=np.minimum(highs, level))
    figure = scores_figure(replace(scores, frame=frame))
    panels = [panel(figure, f"Amplitude-integrated EEG, {side}") for side in ("left", "right")]
    assert [axes.get_ylim() for axes in panels] == [(0, top)] * 2
    assert panels[0].get_yticks()[-1] == top


@given(st.floats(0, 500))
def test_the_scale_of_the_amplitude_is_linear_to_ten_and_logarithmic_above(microvolts):
    assert semilog_inverse(semilog(microvolts)) == pytest.approx(microvolts)
    assert semilog(microvolts) == pytest.approx(microvolts / 10 if microvolts <= 10 else np.log10(microvolts))


def lab(linear):
    """Return CIE Lab from linear sRGB."""
    ratios = XYZ @ np.clip(linear, 0, 1) / XYZ.sum(axis=1)
    x, y, z = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_every_reader_can_tell_the_patterns_apart(vision):
    values = np.array([to_rgb(colour) for colour in PATTERN_COLOURS.values()])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = [lab(VISION[vision] @ colour) for colour in linear]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 30


def test_the_manifest_is_on_the_page(page, day):
    assert html.escape(json.dumps(day.manifest, indent=2)).replace("&quot;", "&#34;") in page
