"""Texts of a BIDS derivative data set, and its table of scores."""

from typing import Any

import pandas as pd

from ictal.core.labels import PATTERN_TITLES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.scoring.quality import FLAWS
from ictal.scoring.scores import AEEG_COLUMNS

DESCRIPTION = "Events that ictal derives from its predictions. For research; no clinician has checked them."
README = """# Patterns of critical-care EEG, predicted by ictal

For each recording, `*_desc-ictal_events.tsv` lists events (seizures, periodic discharges, rhythmic delta activity),
and `*_desc-ictal_scores.tsv` the predictions for each window of 10 s, from which the events are derived. The JSON
files beside them describe every column. `dataset_description.json` names the model and the source.

A prediction is the share of experts who would vote for a pattern. It was made by software, and no clinician has
checked it. This is research software, not a medical device.

BIDS defines no file for scores, so `.bidsignore` lists them.
"""
SCORE_COLUMNS: dict[str, Any] = {
    "onset": {"Description": "Start of the window, from the start of the recording, gaps included.", "Units": "s"},
    "duration": {"Description": "How long the window lasts.", "Units": "s"},
    **{
        column: {"Description": f"Expected share of the experts' votes for {title}, from 0 to 1."}
        for column, title in zip(PROBABILITY_COLUMNS, PATTERN_TITLES.values(), strict=True)
    },
    "spread": {"Description": "How widely the prediction is spread over the patterns: 1 - sum of squares."},
    "reason": {"Description": "Why there is no prediction."},
    "usable": {"Description": "Share of the model's input samples that are usable, from 0 to 1."},
    "made_up_s": {
        "Description": "How much of the model's input is mirror images, because the recording is shorter.",
        "Units": "s",
    },
    **{name: {"Description": f"Number of electrodes that show: {name.replace('_', ' ')}."} for name in FLAWS},
    "left_right": {
        "Description": "Amplitude (root mean square, 0.5 to 20 Hz) of the left hemisphere divided by the right one's."
    },
    **{
        name: {"Description": f"Amplitude-integrated EEG: {border} border, {derivation}.", "Units": "uV"}
        for name, border, derivation in zip(
            AEEG_COLUMNS, ("lower", "upper") * 2, ("C3-P3", "C3-P3", "C4-P4", "C4-P4"), strict=True
        )
    },
}
"""Columns of the table of scores, as its JSON describes them."""


def scores_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns `SCORE_COLUMNS` of scores; n/a is written for what is unknown."""
    table = frame.assign(onset=frame["start_s"], duration=frame["stop_s"] - frame["start_s"])
    table["reason"] = table["reason"].replace("", None)
    return table[list(SCORE_COLUMNS)].round(6)
