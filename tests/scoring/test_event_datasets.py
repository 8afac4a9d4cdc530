"""Events of whole BIDS data sets: against SzCORE's own program, with means and intervals over subjects."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ictal.cli import app
from ictal.errors import TableError
from ictal.scoring.event_intervals import FIGURES, subject_means
from ictal.scoring.event_scoring import evaluate_files
from ictal.scoring.reference_events import read_references
from tests.scoring.test_reference_events import write_scores

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "szcore.json").read_text(encoding="utf-8"))
HEAD = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"


def add(root: Path, subject: str, events: list, duration_s: float = 3600, session: str = "ses-01") -> Path:
    """Write the events of a recording as SzCORE does: without any, one row of background."""
    name = f"{subject}_{session}_task-szMonitoring_run-00_events.tsv"
    path = root / subject / session / "eeg" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{onset}\t{length}\tsz" for onset, length in events] or [f"0\t{duration_s}\tbckg"]
    path.write_text(HEAD + "".join(f"{row}\tn/a\tn/a\tn/a\t{duration_s}\n" for row in rows), encoding="utf-8")
    return path


def dataset(root: Path, recordings: list[dict], side: str) -> Path:
    root.mkdir()
    for one in recordings:
        if one[side] is not None:
            add(root, one["subject"], one[side], one["duration_s"], one["session"])
    return root


@pytest.mark.parametrize("golden", GOLDEN, ids=["0", "1", "2", "3", "no seizure"])
def test_means_over_subjects_are_those_of_szcore(golden, tmp_path):
    sides = [dataset(tmp_path / side, golden["recordings"], side) for side in ("hypothesis", "reference")]
    told = json.loads(json.dumps(evaluate_files(*sides).to_json(), allow_nan=False))
    for kind, expected in golden["results"].items():
        assert {name: told[kind][name] for name in expected} == pytest.approx(expected)
    assert told["n_files"] == len(golden["recordings"])
    assert len(told["subjects"]) == len({one["subject"] for one in golden["recordings"]})


@pytest.fixture
def sides(tmp_path):
    """Return a data set of three subjects: one is found, one is missed and has a false alarm, one has no seizure."""
    truth, found = tmp_path / "truth", tmp_path / "found"
    for subject, events in (("sub-a", [(100, 60)]), ("sub-b", [(100, 60), (900, 60)]), ("sub-c", [])):
        add(truth, subject, events)
    for subject, events in (("sub-a", [(100, 60)]), ("sub-b", [(2000, 60)]), ("sub-c", [])):
        add(found, subject, events)
    return found, truth


def test_a_subject_without_the_figure_is_left_out_of_its_mean(sides):
    made = evaluate_files(*sides)
    assert [one.name for one in made.subjects] == ["sub-a", "sub-b", "sub-c"]
    assert made.events.sensitivity == pytest.approx(1 / 3)
    means = made.subject_means["events"]
    assert {name: (one.mean, one.n_subjects) for name, one in means.items()} == {
        "sensitivity": (0.5, 2),
        "precision": (0.5, 2),
        "f1": (0.5, 2),
        "false_alarms_per_day": (8, 3),
    }


def test_recordings_of_a_subject_count_together(sides):
    found, truth = sides
    add(truth, "sub-a", [(100, 60), (900, 60), (1800, 60)], session="ses-02")
    add(found, "sub-a", [], session="ses-02")
    made = evaluate_files(found, truth)
    assert (len(made.files), len(made.subjects), made.subjects[0].n_files) == (4, 3, 2)
    assert made.subjects[0].events.sensitivity == pytest.approx(1 / 4)
    assert made.subjects[0].duration_s == 7200
    # Six recordings of one subject vary as little as one: there is no interval over subjects.
    alone = evaluate_files(found / "sub-a" / "ses-01", truth / "sub-a" / "ses-01")
    assert alone.subject_means == {}


def test_a_recording_that_was_not_scored_counts_as_one_without_events(sides):
    found, truth = sides
    next(found.glob("sub-a/**/*.tsv")).unlink()
    made = evaluate_files(found, truth)
    assert made.without_scores == ("sub-a_ses-01_task-szMonitoring_run-00",)
    assert (made.events.reference, made.events.hits, len(made.files)) == (3, 0, 3)
    assert made.duration_s == 3 * 3600


def test_the_command_shows_both_kinds_of_figures_and_what_was_not_scored(sides):
    found, truth = sides
    next(found.glob("sub-c/**/*.tsv")).unlink()
    told = CliRunner().invoke(app, ["evaluate-events", str(found), str(truth)]).stdout
    assert "seizure: 3 recordings of 3 subjects, 3.00 h" in told
    rows = {line.split("  ")[0].strip(): line.split() for line in told.splitlines() if line.strip()}
    assert rows["events"][1:5] == ["3", "1", "1", "0.33"]
    assert rows["events, mean"][2:6] == ["0.50", "0.50", "0.50", "8.00"]
    assert "not scored, and counted as recordings without events: sub-c_ses-01_task-szMonitoring_run-00." in told


def test_a_recording_that_was_not_scored_needs_a_duration(sides):
    found, truth = sides
    next(found.glob("sub-a/**/*.tsv")).unlink()
    next(truth.glob("sub-a/**/*.tsv")).write_text("onset\tduration\ttrial_type\n100\t60\tseizure\n")
    with pytest.raises(TableError, match=r"sub-a_ses-01.*neither the reference nor the scores give the duration"):
        evaluate_files(found, truth)


def test_one_file_of_a_data_set_can_be_evaluated_alone(sides):
    found, truth = sides
    made = evaluate_files(next(found.glob("sub-b/**/*.tsv")), truth)
    assert (len(made.files), made.without_scores) == (1, ())
    assert made.subject_means["events"]["sensitivity"].interval is None


def test_scores_in_any_folder_and_files_outside_of_the_subjects(sides, tmp_path):
    _, truth = sides
    # A data set's derivatives repeat the names of its recordings.
    copy = truth / "derivatives" / next(truth.glob("sub-a/**/*.tsv")).name
    copy.parent.mkdir()
    copy.write_text("no table")
    assert {one.subject for one in read_references(truth).values()} == {"sub-a", "sub-b", "sub-c"}
    scored = tmp_path / "flat"
    scored.mkdir()
    write_scores(scored / "a.parquet", [0.1] * 8 + [0.9] * 5, "sub-a_ses-01_task-szMonitoring_run-00_eeg.edf", 3600)
    made = evaluate_files(scored, truth)
    assert (made.subjects[0].events.hits, len(made.without_scores)) == (1, 2)


def test_intervals_are_over_subjects_not_over_their_recordings(tmp_path):
    truth, found = tmp_path / "truth", tmp_path / "found"
    for number in range(8):
        for session in range(6):
            events = [(300 * (1 + start), 30) for start in range(4)]
            add(truth, f"sub-{number}", events, session=f"ses-{session}")
            add(found, f"sub-{number}", events if number % 2 else [], session=f"ses-{session}")
    made = evaluate_files(found, truth)
    assert made.events.sensitivity == 0.5
    # As 48 coins, the half width would be 2.01 x 0.5 / sqrt(47) = 0.15; as eight, about 2.36 x 0.5 / sqrt(7) = 0.45.
    for low, high in (
        made.intervals["events"].sensitivity,
        made.intervals["samples"].sensitivity,
        made.subject_means["events"]["sensitivity"].interval,
    ):
        assert (high - low) / 2 == pytest.approx(0.45, abs=0.125)  # a step of one subject


def test_a_mean_over_subjects_is_covered_by_its_interval():
    rng, held, repeats = np.random.default_rng(0), 0, 300
    for _ in range(repeats):
        values = rng.beta(2, 3, (14, len(FIGURES)))
        values[rng.random(values.shape) < 0.2] = np.nan
        low, high = subject_means(values)["sensitivity"].interval
        held += low <= 0.4 <= high
    assert held / repeats > 0.95 - 4 * np.sqrt(0.05 * 0.95 / repeats)


def test_no_interval_collapses_where_all_subjects_agree():
    means = subject_means(np.array([[1.0, 0.0, np.nan, 0.0]] * 6))
    assert means["sensitivity"].interval == pytest.approx((6 / (6 + 1.959964**2), 1))
    assert means["precision"].interval == pytest.approx((0, 1.959964**2 / (6 + 1.959964**2)))
    assert (means["f1"].mean, means["f1"].std, means["f1"].interval) == (None, None, None)
    assert means["false_alarms_per_day"].interval is None
