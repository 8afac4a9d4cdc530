"""In a real browser: every window of a clip and of a longer file is voted on, exported, and evaluated."""

import json

import pandas as pd
import pytest

from ictal.core.labels import PATTERNS, VOTE_COLUMNS
from ictal.data.manifest import read_manifest
from tests.web.browser import ask, viewing
from tests.web.clients import wait_for
from tests.web.test_browser import as_rater, browser, new_reader  # noqa: F401 - fixtures
from tests.web.test_browser_opening import write_clip

pytestmark = pytest.mark.exhaustive
CENTRE_S = 10
SCORING_S = 600
"""The default model may have to be exported first."""


@pytest.mark.parametrize(("seconds", "n_windows"), [(30, 3), (420, 42)])
def test_every_window_is_voted_on_from_the_first_to_the_last(new_reader, tmp_path, seconds, n_windows):  # noqa: F811
    path = write_clip(tmp_path / "clip.edf", seconds, start=None)
    with viewing(path, "--out", tmp_path / "out") as address:
        wait_for(lambda: json.loads(ask(address, "recordings"))[0]["state"] == "scored", SCORING_S)
        reader = new_reader(address).open()
        as_rater(reader, "Ada")
        reader.wait("#progress", f"0 of {n_windows} voted")
        reader.press("Home")
        given = {}
        for number in range(n_windows):
            middle_s, pattern = CENTRE_S * (number + 0.5), number % 6
            if number:
                reader.press("u")
            start_s = round(middle_s - CENTRE_S / 2)
            reader.wait("#when", f"{start_s // 3600}:{start_s // 60 % 60:02}:{start_s % 60:02} –")
            reader.press(str(pattern + 1))
            reader.wait("#progress", f"{number + 1} of {n_windows}")
            reader.wait("#expected", "Of ten experts")
            given[middle_s] = PATTERNS[pattern]
        reader.press("u")
        reader.wait("#status", "There is no later window without your vote")
        (shown,) = json.loads(ask(address, "recordings"))
        kept = json.loads(ask(address, f"recordings/{shown['id']}/votes"))
        assert {vote["time_s"]: vote["pattern"] for vote in kept} == given
        with reader.page.expect_download() as saved:
            reader.page.click("#export")
        saved.value.save_as(tmp_path / "votes.csv")
        assert reader.wrong == []
    table = pd.read_csv(tmp_path / "votes.csv")
    assert len(table) == n_windows
    assert table[list(VOTE_COLUMNS)].to_numpy().argmax(axis=1).tolist() == [number % 6 for number in range(n_windows)]
    assert table.drop(columns=list(VOTE_COLUMNS)).drop_duplicates().shape[0] == n_windows  # each names its own time
    labels = read_manifest(tmp_path / "votes.csv").labels
    assert len(labels) == n_windows
