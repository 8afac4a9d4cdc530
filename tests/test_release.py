"""What states the version of ictal states the same one."""

import re
from datetime import date

import yaml

import ictal
from tests.pages import ROOT

HEADINGS = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
RELEASES = [heading.split(" - ") for heading in HEADINGS if heading != "Unreleased"]


def test_changelog_citation_and_package_agree_on_the_last_release():
    version, released = RELEASES[0]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], str(citation["date-released"])) == (version, released)
    assert ictal.__version__ == version or (".dev" in ictal.__version__ and HEADINGS[0] == "Unreleased")


def test_releases_are_listed_from_the_newest_to_the_oldest_with_their_dates():
    assert "Unreleased" not in HEADINGS[1:]
    versions = [tuple(map(int, version.split("."))) for version, _ in RELEASES]
    dates = [date.fromisoformat(released) for _, released in RELEASES]
    assert versions == sorted(versions, reverse=True)
    assert dates == sorted(dates, reverse=True)
