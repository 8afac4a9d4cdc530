"""A window as SVG: what is drawn, where, and what is not."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.montage import CHANNELS, Derivation
from ictal.report.traces import row_scale, trace_rows
from ictal.report.window_drawing import BARS_WIDTH, STEP, UNITS, window_svg
from tests.report.scored import made_up_signal

EVEN = [1 / 6] * 6


class Drawing:
    """An SVG element, read again."""

    def __init__(self, svg: str) -> None:
        root = ElementTree.fromstring(svg)
        self.texts = [(text.text, text.attrib) for text in root.iter("text")]
        self.words = [words or "" for words, _ in self.texts]
        (curves,) = [group for group in root.iter("g") if "transform" in group.attrib]
        self.curves = [points(path.attrib["d"]) for path in curves]
        self.bars = [path.attrib["d"] for path in root.iter("path") if "fill" in path.attrib]
        self.ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]

    def place_of(self, words: str) -> float:
        """Return the vertical middle of a text."""
        ((_, where),) = [text for text in self.texts if text[0] == words]
        return float(where["y"]) - 0.36 * float(where["font-size"])


def points(path: str) -> list[np.ndarray]:
    """Return the points [point, 2] of each part of a curve."""
    parts = []
    for x, y, moves in re.findall(r"M(\d+) (-?\d+)(?:l([-\d ]+))?", path):
        steps = np.array(re.findall(r"-?\d+", moves), dtype=int).reshape(-1, 2)
        parts.append(np.cumsum(np.concatenate([[[int(x), int(y)]], steps]), axis=0))
    return parts


def names_of(samples: np.ndarray) -> list[str]:
    return [row.name for row in trace_rows(samples, 100) if row.curve is not None]


def test_every_sample_is_drawn_where_it_belongs():
    samples = made_up_signal(0, 10)
    drawing, row_uv = Drawing(window_svg(samples, EVEN, "")), row_scale(samples)
    rows = trace_rows(samples, row_uv)
    assert len(drawing.curves) == len(rows) == 19
    apart = drawing.place_of("F7-T3") - drawing.place_of("Fp1-F7")
    for (curve,), row in zip(drawing.curves, rows, strict=True):
        np.testing.assert_array_equal(curve[:, 0], UNITS * np.arange(samples.shape[1]))
        expected = drawing.place_of(row.name) - apart * row.curve
        # Texts are rounded to a tenth of a point, curves to their steps; the traces begin 5 points from the top.
        np.testing.assert_allclose(5 + STEP * curve[:, 1], expected, atol=0.25)


def test_a_window_without_an_ekg_has_no_row_for_it():
    samples = made_up_signal(0, 10)
    assert "EKG" in Drawing(window_svg(samples, EVEN, "")).words
    samples[CHANNELS.index("EKG")] = np.nan
    drawing = Drawing(window_svg(samples, EVEN, ""))
    assert "EKG" not in drawing.words
    assert len(drawing.curves) == 18


def test_derivations_that_are_not_there_have_a_name_and_no_line_and_interpolated_ones_a_star():
    samples = made_up_signal(0, 10)
    samples[CHANNELS.index("T3")] = np.nan
    svg = window_svg(samples, EVEN, "", lost=[Derivation("Fz", "Cz")], interpolated=["O2"])
    drawing = Drawing(svg)
    assert len(drawing.curves) == 19 - 3
    assert drawing.words.count("not recorded") == 3
    for name in ("F7-T3", "T3-T5", "Fz-Cz"):
        at = drawing.words.index(name)
        assert drawing.words[at + 1] == "not recorded"
    assert [name for name in drawing.words if name.endswith("*")] == ["P4-O2*", "T6-O2*"]
    assert "* with an interpolated electrode: O2" in drawing.words


@given(st.sets(st.integers(0, 1999), min_size=1, max_size=30))
def test_missing_samples_are_gaps_in_a_line(gone):
    samples = made_up_signal(0, 10)[:, :2000]
    samples[CHANNELS.index("F7"), sorted(gone)] = np.nan
    for parts, name in zip(Drawing(window_svg(samples, EVEN, "")).curves, names_of(samples), strict=True):
        drawn = {int(x) // UNITS for part in parts for x in part[:, 0]}
        assert {*range(2000)} - drawn == (gone if "F7" in name else set())


def test_nothing_at_all_is_drawn_of_a_window_that_was_not_recorded():
    drawing = Drawing(window_svg(np.full((20, 2000), np.nan, dtype=np.float32), EVEN, ""))
    assert not drawing.curves
    assert drawing.words.count("not recorded") == 18


def test_a_short_window_has_the_same_scale_of_time():
    (curve,) = Drawing(window_svg(made_up_signal(0, 3)[:, :600], EVEN, "")).curves[0]
    assert curve[-1, 0] == UNITS * 599


def test_the_probabilities_are_beside_the_traces():
    drawing = Drawing(window_svg(made_up_signal(0, 10), [0.5, 0.25, 0.15, np.nan, 0.0, 0.1], "seconds from 1:00"))
    assert "seconds from 1:00" in drawing.words
    assert drawing.words[-13:-1] == [
        words
        for pattern, value in zip(PATTERNS, ("0.50", "0.25", "0.15", "not known", "0.00", "0.10"), strict=True)
        for words in (PATTERN_TITLES[pattern], value)
    ]
    lengths = [float(re.search(r"h([\d.]+)", bar)[1]) for bar in drawing.bars]
    assert lengths == pytest.approx([BARS_WIDTH * share for share in (0.5, 0.25, 0.15, 0, 0, 0.1)], abs=0.06)


def test_words_cannot_become_markup_and_ids_differ():
    samples = made_up_signal(0, 10)
    one, other = (Drawing(window_svg(samples, EVEN, '<b> & "c"')) for _ in range(2))
    assert '<b> & "c"' in one.words
    assert not {*one.ids} & {*other.ids}
