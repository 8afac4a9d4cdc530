import re
from html.parser import HTMLParser

import pytest

from ictal.evaluation import Estimate
from ictal.report.verdicts import difference_in_words, verdict_of_arms
from tests.helpers import difference

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects ids and what is fetched, and sees that tags close in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.ids, self.fetched = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self._attributes(tag, attributes)

    def handle_startendtag(self, tag, attributes):
        self._attributes(tag, attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def _attributes(self, tag, attributes):
        self.ids += [value for name, value in attributes if name == "id"]
        self.fetched += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        self.fetched += ["script"] * (tag in ("script", "link", "iframe"))


@pytest.fixture(scope="module")
def page(run):
    return (run.folder / "report.html").read_text()


def test_the_page_stands_alone_and_is_well_formed(page):
    parsed = Page()
    parsed.feed(page)
    assert not parsed.open
    assert len(parsed.ids) == len(set(parsed.ids)) > 50
    assert parsed.fetched
    outside = [target for target in parsed.fetched if not target.startswith("data:image/png;base64,")]
    assert all(target.startswith("#") and target[1:] in parsed.ids for target in outside)
    assert not re.search(r"url\((?!#)|@import", page)
    used = set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(parsed.ids)


def test_the_page_says_what_a_reader_must_know(page, run):
    assert "Not a medical device" in page
    assert "The EEG is simulated" in page
    for arm in run.comparison.arms:
        assert f"<b>{arm.name}</b>" in page
        assert f'{arm.cv.value:.3f} <span class="ci">[{arm.cv.low:.3f}, {arm.cv.high:.3f}]</span>' in page
    for pair in run.comparison.to_reference("cv"):
        assert difference_in_words(pair) in page
    assert verdict_of_arms(run.comparison) in page
    assert run.manifest["data_fingerprint"] in page
    assert f"{run.manifest['patients']} patients" in page


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.3, -0.1, "a, as trained here, has a lower KL than b in cross-validation"),
        (0.1, 0.3, "a, as trained here, has a higher KL than b in cross-validation"),
        (-0.1, 0.3, "The data do not distinguish a and b in cross-validation"),
        (float("nan"), float("nan"), "there are too few patients for an interval"),
    ],
)
def test_an_interval_in_words(low, high, words):
    estimate = Estimate((low + high) / 2 if low == low else 0.1, low, high, 0.9)
    said = difference_in_words(difference("a", "b", "cv", estimate))
    assert words in said
    assert low != low or f"90 % confidence interval {low:+.3f} to {high:+.3f}" in said
