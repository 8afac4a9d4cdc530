"""Real bipolar and referential clips, at 256 and 500 Hz: a manifest of them is evaluated as they are scored."""

import json

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import PATTERNS, VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.models.hub import find_model
from ictal.scoring.engines import open_engine
from ictal.scoring.pipeline import score
from tests.cli.test_cli import call


@pytest.mark.exhaustive
def test_the_annotated_clips_evaluate_from_a_manifest_as_they_are_scored(shared_data, tmp_path):
    """Every 10 s of a clip of a seizure is voted to be one; of the others, what lies outside of it is not."""
    clips = pd.read_csv(shared_data / "seizure" / "labels.csv")
    assert len(clips) == 38
    engine, rows, expected = open_engine(find_model("default"), threads=1), [], []
    for clip in clips.itertuples():
        path = shared_data / "seizure" / str(clip.file)
        frame = score(path, engine).frame
        for number, at in enumerate(frame["start_s"]):
            within = clip.seizure_start_s <= at and at + 10 <= clip.seizure_end_s
            beside = not (clip.seizure_start_s < at + 10 and at < clip.seizure_end_s)
            if within or beside:
                rows.append(
                    (
                        path,
                        at,
                        clip.patient_id,
                        *np.eye(6, dtype=int)[PATTERNS.index("seizure" if within else "other")],
                    )
                )
                expected.append(frame[list(PROBABILITY_COLUMNS)].to_numpy(dtype=float)[number])
    table = pd.DataFrame(rows, columns=["file", "centre_s", "patient_id", *VOTE_COLUMNS])
    assert table["file"].nunique() == 38
    table.to_csv(tmp_path / "clips.csv", index=False)
    out = tmp_path / "predictions.parquet"
    options = ("--out", out, "--cache", tmp_path / "cache", "--json", "-")
    result = call("evaluate", "default", tmp_path / "clips.csv", *options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["n_windows"] == len(rows)
    given = Predictions.read(out).frame.set_index("window_id").loc[[f"{path}@{at}" for path, at, *_ in rows]]
    theirs = np.array(expected)
    known = np.isfinite(theirs).all(axis=1)  # scoring refuses windows for lack of quality
    assert known.mean() > 0.9
    np.testing.assert_allclose(given[list(PROBABILITY_COLUMNS)].to_numpy()[known], theirs[known], atol=1e-4)
