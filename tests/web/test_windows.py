"""Every 10 s that a model has scored can be voted on, explained, exported, and evaluated as they were scored."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import PATTERNS, VOTE_COLUMNS
from ictal.core.montage import ELECTRODES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Gap
from ictal.errors import ReadError, TableError
from ictal.evaluation import kl_divergence
from ictal.experiments.model_evaluation import evaluate_model
from ictal.experiments.train_model import train
from ictal.io import open_recording
from ictal.io.edf.writer import write_edf
from ictal.models.checkpoint import load_model
from ictal.recipes import load_recipe
from ictal.report.results_folder import window_of
from ictal.scoring.pipeline import score
from ictal.web.details import windows
from ictal.web.viewer import Viewer
from ictal.web.worker_process import WorkerProcess
from tests.conftest import TINY
from tests.data.test_as_scored import BANANA, NAMES, RECORDINGS, Keeping
from tests.helpers import noise
from tests.io.test_edf_file import Made, tals, write
from tests.scoring.helpers import SHARING, contract, eeg, exported, recording_of
from tests.web.clients import client_of, wait_for


@pytest.fixture(scope="session")
def of_ten_seconds() -> Path:
    """A model that sees the voted 10 s alone, as the one that ships does."""
    waveform = SHARING.temporal.waveform.model_copy(update={"seconds": 10.0})
    temporal = SHARING.temporal.model_copy(update={"waveform": waveform})
    return exported("temporal", SHARING.model_copy(update={"temporal": temporal}))


@pytest.fixture
def shown(of_ten_seconds, tmp_path) -> Iterator[Viewer]:
    """A viewer of a clip of 30 s and of seven minutes, both scored."""
    viewer = Viewer(tmp_path / "out", of_ten_seconds)
    for name, seconds in (("clip", 30), ("sub-7_night", 420)):
        write_edf(tmp_path / f"{name}.edf", recording_of(eeg(seconds, seed=seconds), name=name))
        item = viewer.show(tmp_path / f"{name}.edf")
        wait_for(lambda item=item: item.state in ("scored", "failed"))
        assert item.state == "scored", item.reason
    yield viewer
    viewer.stop()


def test_votes_from_first_to_last_are_exported_and_evaluated_as_they_were_scored(shown, of_ten_seconds, tmp_path):
    client = client_of(shown)
    client.post("/api/raters", json={"name": "Ada"})
    expected, chosen = [], []
    for item in shown.library:
        base = f"/api/recordings/{item.id}"
        told = client.get(base).json()
        offered = [part["start_s"] + 10 * number for part in told["windows"] for number in range(part["n"])]
        assert offered == item.frame["start_s"].tolist() == list(range(0, int(item.recording.duration_s) - 9, 10))
        assert (told["step_s"], told["model"]["seen_s"]) == (10, 10)
        for number, at in enumerate(offered):
            pattern = PATTERNS[number % 6]
            ballot = {"rater": "Ada", "time_s": at + 5, "pattern": pattern}
            assert client.post(f"{base}/votes", json=ballot).json()["time_s"] == at + 5
            expected.append(item.frame[list(PROBABILITY_COLUMNS)].to_numpy()[number])
            chosen.append(np.eye(6)[number % 6])
    assert len(expected) == 3 + 42
    (tmp_path / "votes.csv").write_text(client.get("/api/export").text)
    table = pd.read_csv(tmp_path / "votes.csv")
    assert sorted(table["centre_s"]) == sorted([0, 10, 20, *range(0, 420, 10)])
    evaluation, predictions = evaluate_model(of_ten_seconds, str(tmp_path / "votes.csv"), cache=tmp_path / "cache")
    assert len(predictions.frame) == 45
    values = kl_divergence(np.array(chosen), np.array(expected))
    of = np.repeat([0, 1], [3, 42])
    by_eeg = np.mean([values[of == number].mean() for number in (0, 1)])  # each EEG counts the same
    assert evaluation.kl.value == pytest.approx(by_eeg, abs=1e-4)
    given = predictions.frame.set_index("window_id")[list(PROBABILITY_COLUMNS)]
    for item in shown.library:
        for at, row in zip(item.frame["start_s"], item.frame[list(PROBABILITY_COLUMNS)].to_numpy(), strict=True):
            np.testing.assert_allclose(given.loc[f"{item.path}@{at}"], row, atol=1e-4)


@pytest.mark.exhaustive
def test_a_recording_with_gaps_is_voted_on_evaluated_and_trained_on(of_ten_seconds, tmp_path):
    """An EDF+D of 63 s and 57 s with a minute between: all votes train a model of 10 s, and not one of 50 s."""
    steps = (noise(120 * 200) * 30).astype(np.int64).reshape(20, 120, 200)
    times = [tals(f"+{second + 60 * (second >= 63)}") for second in range(120)]
    signals = [Made(f"EEG {name}-REF", row) for name, row in zip(ELECTRODES, steps, strict=False)]
    path = write(tmp_path / "gap.edf", signals, times, plus="EDF+D")
    viewer = Viewer(tmp_path / "out", of_ten_seconds)
    item, client = viewer.show(path), client_of(viewer)
    wait_for(lambda: item.state in ("scored", "failed"))
    client.post("/api/raters", json={"name": "Ada"})
    frame = item.frame
    assert frame["start_s"].tolist() == [0, 10, 20, 30, 40, 50, 123, 133, 143, 153, 163]
    for at in frame["start_s"]:
        ballot = {"rater": "Ada", "time_s": at + 1, "pattern": "lpd"}
        assert client.post(f"/api/recordings/{item.id}/votes", json=ballot).status_code == 200
    manifest = tmp_path / "votes.csv"
    manifest.write_text(client.get("/api/export").text)
    viewer.stop()
    _, predictions = evaluate_model(of_ten_seconds, str(manifest), cache=tmp_path / "cache")
    ours, theirs = (one[list(PROBABILITY_COLUMNS)] for one in (predictions.frame, frame))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    recipe, cache = load_recipe(TINY), tmp_path / "cache"
    tuned = train(str(manifest), None, recipe, tmp_path / "tuned", cache=cache, begin_with=of_ten_seconds)
    assert load_model(tuned).card.seen_s == 10
    with pytest.raises(TableError) as caught:
        train(str(manifest), "temporal", recipe, tmp_path / "new", cache=cache)
    lines = str(caught.value).splitlines()
    assert "for a model that sees 50 s (with views of 'seconds: 10' the voted 10 s are enough)" in lines[0]
    assert lines[0].endswith("8 problems")
    assert "the 10 s from 123 s cannot be used: the model sees 50 s, from 103 to 153 s; the recording has" in lines[5]


def test_the_export_of_old_scores_still_states_each_vote_s_own_ten_seconds(shown, tmp_path):
    client = client_of(shown)
    client.post("/api/raters", json={"name": "Ada"})
    (clip, _) = shown.library
    for at in (5, 15, 25):
        client.post(f"/api/recordings/{clip.id}/votes", json={"rater": "Ada", "time_s": at, "pattern": "lpd"})
    (tmp_path / "votes.csv").write_text(client.get("/api/export").text)
    table = pd.read_csv(tmp_path / "votes.csv")
    assert table["centre_s"].tolist() == [0, 10, 20]
    assert table[list(VOTE_COLUMNS)].sum(axis=1).tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("seen_s", [10, 20, 50])
def test_what_is_explained_is_what_was_scored_also_near_ends_and_beside_gaps(name, seen_s):
    engine = Keeping(contract(derivations=NAMES, seen_s=seen_s))
    scores = score(RECORDINGS[name], engine)
    assert len(scores.frame) == len(engine.windows)
    begin, end = 5000 - 100 * seen_s, 5000 + 100 * seen_s
    last = len(scores.frame) - 1
    for number in sorted({0, 1, last // 2, last - 1, last} & {*range(last + 1)}):
        ours = window_of(scores, RECORDINGS[name], number)
        np.testing.assert_allclose(ours[:, begin:end], engine.windows[number][:, begin:end], rtol=0, atol=1e-3)


def test_scores_of_another_recording_are_not_explained():
    scores = score(RECORDINGS["seven minutes"], Keeping(contract(derivations=NAMES, seen_s=10)))
    with pytest.raises(ReadError, match="has no EEG at 410 s, which was scored; score the recording again"):
        window_of(scores, RECORDINGS["clip"], 41)


def test_the_server_explains_the_ten_seconds_that_it_is_asked_for(shown, monkeypatch):
    asked = []

    def answer(self, what, window, start_s, pattern, method, progress):
        asked.append((window, start_s))
        return {
            "pattern": pattern,
            "method": method,
            "derivations": [],
            "times_s": [],
            "grid": [],
            "mel": None,
            "note": "",
        }

    monkeypatch.setattr(WorkerProcess, "ask", answer)
    client = client_of(shown)
    for item in shown.library:
        for at in (5, item.recording.duration_s - 5):
            assert client.get(f"/api/recordings/{item.id}/why?time_s={at}&pattern=lpd").status_code == 200
            window, start_s = asked.pop()
            assert start_s == at - 25
            assert window.shape == (20, 10_000)
            own = window_of(item.scores, item.recording, int(at // 10))
            np.testing.assert_array_equal(window, own)


def test_windows_are_told_as_evenly_spaced_runs():
    recording = recording_of(eeg(300), gaps=(Gap(95.5, 30.25), Gap(160.0, 5.0), Gap(169.0, 900.0)))
    for step_s in (10, 2.5):
        frame = score(recording, Keeping(contract(derivations=NAMES, seen_s=10)), step_s=step_s).frame
        parts = windows(frame, step_s)
        found = [part["start_s"] + step_s * number for part in parts for number in range(part["n"])]
        np.testing.assert_allclose(found, frame["start_s"])
        assert [part["start_s"] for part in parts] == [0.0, 125.75, 1069.0]  # the 4 s between two gaps have none
    assert windows(frame[:0], 10) == []


def test_the_derivations_of_a_manifest_are_those_of_the_file(of_ten_seconds, tmp_path):
    """What `score` accepts, `evaluate` accepts: a bipolar clip without its electrodes."""
    bipolar = RECORDINGS["bipolar with gaps"]
    write_edf(tmp_path / "chb.edf", bipolar.__class__.from_array(bipolar.read(0, 256 * 40), bipolar.channels, 256))
    assert open_recording(tmp_path / "chb.edf").channels == tuple(str(pair) for pair in BANANA)
    scores = score(tmp_path / "chb.edf", of_ten_seconds)
    rows = [("chb.edf", at, "p", 1, 0, 0, 0, 0, 0) for at in scores.frame["start_s"]]
    table = pd.DataFrame(rows, columns=["file", "centre_s", "patient_id", *VOTE_COLUMNS])
    table.to_csv(tmp_path / "m.csv", index=False)
    _, predictions = evaluate_model(of_ten_seconds, str(tmp_path / "m.csv"), cache=tmp_path / "cache")
    ours, theirs = (frame[list(PROBABILITY_COLUMNS)] for frame in (predictions.frame, scores.frame))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("swap", ["swap_neighbours", "swap_any"])
def test_electrodes_between_which_no_voltage_is_known_are_not_swapped_in_training(swap, tmp_path):
    bipolar = RECORDINGS["bipolar with gaps"]  # the midline hangs together with neither side
    write_edf(tmp_path / "chb.edf", bipolar.__class__.from_array(bipolar.read(0, 256 * 60), bipolar.channels, 256))
    rows = [("chb.edf", 20, "p", 1, 0, 0, 0, 0, 0)]
    table = pd.DataFrame(rows, columns=["file", "centre_s", "patient_id", *VOTE_COLUMNS])
    table.to_csv(tmp_path / "m.csv", index=False)
    recipe = load_recipe("quick", [f"training.symmetric.augment.{swap}=0.5"])
    with pytest.raises(TableError, match=r"chb\.edf.*Fz-Cz|chb\.edf.*is bipolar"):
        train(str(tmp_path / "m.csv"), "symmetric", recipe, tmp_path / "out", cache=tmp_path / "cache")


def test_the_export_names_a_moved_file_where_it_is_shown(of_ten_seconds, tmp_path):
    write_edf(tmp_path / "a.edf", recording_of(eeg(30)))
    for name in ("a", "b"):
        if name == "b":
            (tmp_path / "a.edf").rename(tmp_path / "b.edf")
        viewer = Viewer(tmp_path / "out", of_ten_seconds)
        item = viewer.show(tmp_path / f"{name}.edf")
        wait_for(lambda item=item: item.state in ("scored", "failed"))
        if name == "a":
            viewer.votes.add_rater("Ada")
            viewer.vote(item, "Ada", 5, "lpd")
        assert item.content
        assert viewer.manifest()["file"].tolist() == [str(tmp_path / f"{name}.edf")]
        viewer.stop()
