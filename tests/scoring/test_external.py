"""Score, evaluate, calibrate and explain with a model from elsewhere."""

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import ictal
from ictal.cli import app
from ictal.core.labels import PATTERNS
from ictal.errors import ModelError, TableError
from ictal.explanations.explanation import explain
from ictal.explanations.sanity import sanity
from ictal.io.edf.writer import write_edf
from ictal.models.checkpoint import Card, save_model
from ictal.preprocessing.settings import StandardiseSettings
from ictal.report.recording_report import render_recording
from ictal.scoring.engines import open_engine
from ictal.scoring.scores import Scores
from tests.models.external import SYMMETRIC, OfDerivations, contract, save_external, symmetric
from tests.scoring.helpers import eeg, recording_of

RECORDING = recording_of(eeg(120, 256), 256)
PROBABILITIES = [f"{name}_probability" for name in PATTERNS]


class Seizure(nn.Module):
    """The logit of a seizure: high in the even stretches of 15 s that `eeg` makes loud."""

    def forward(self, array):
        return array.abs().mean(dim=(-2, -1))[:, None] / 10 - 3


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same network as a model of ictal and as one from elsewhere, and one that knows seizures only."""
    folder, network = tmp_path_factory.mktemp("external"), symmetric()
    standardise = StandardiseSettings(band_hz=(0.5, 20.0))
    card = Card(
        arm="symmetric", models=SYMMETRIC, standardise=standardise, data="nothing", data_fingerprint="0", recipe="r",
        seed=0, ictal_version="0",
    )  # fmt: skip
    save_model(folder / "ours", network, card)
    save_external(folder / "theirs", OfDerivations(network), contract())
    output = {"values": "logits", "patterns": ["seizure"]}
    save_external(folder / "seizure", Seizure(), contract(output=output))
    return folder


def test_a_recording_gets_the_scores_of_the_original(folders):
    ours, theirs = (ictal.score(RECORDING, folders / name) for name in ("ours", "theirs"))
    np.testing.assert_allclose(theirs.frame[PROBABILITIES], ours.frame[PROBABILITIES], atol=1e-4)
    assert theirs.manifest["model"]["arm"] == "external"
    assert theirs.manifest["model"]["derivations"] == ours.manifest["model"]["derivations"]


def test_windows_get_the_probabilities_of_the_original(folders):
    windows = np.stack([eeg(50, seed=seed) for seed in range(2)])
    ours, theirs = (ictal.load_model(folders / name).predict(windows) for name in ("ours", "theirs"))
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_it_is_evaluated_and_calibrated_like_the_original(folders, tmp_path):
    recipe = "quick"
    ours, _ = ictal.evaluate(folders / "ours", "sim", recipe, tmp_path / "cache")
    theirs, table = ictal.evaluate(folders / "theirs", "sim", recipe, tmp_path / "cache")
    assert theirs.to_json()["kl"] == pytest.approx(ours.to_json()["kl"], abs=1e-3)
    assert table.frame["arm"].unique().tolist() == ["theirs"]


@pytest.fixture(scope="module")
def scores(folders):
    return ictal.score(RECORDING, folders / "seizure")


class TestSeizureOnly:
    def test_unknown_patterns_are_empty_and_the_rest_sums_to_one(self, scores):
        frame = scores.frame
        assert (
            frame[["lpd_probability", "gpd_probability", "lrda_probability", "grda_probability"]]
            .isna()
            .all(axis=None)
        )
        np.testing.assert_allclose(frame["seizure_probability"] + frame["other_probability"], 1)
        assert np.isfinite(frame["spread"]).all()
        assert scores.event_patterns == ("seizure",)

    def test_it_is_said_everywhere(self, scores, tmp_path):
        said = "the model does not know LPD, GPD, LRDA, GRDA"
        assert any(said in note for note in scores.recording.notes)
        assert scores.manifest["model"]["patterns"] == ["seizure", "other"]
        page = render_recording(scores)
        assert said in page
        assert "No events of LPD" not in page

    def test_events_and_files(self, scores, tmp_path):
        assert {event.pattern for event in scores.events()} <= {"seizure"}
        scores.write(tmp_path / "scores.parquet")
        again = Scores.read(tmp_path / "scores.parquet")
        assert again.frame["lpd_probability"].isna().all()

    def test_votes_for_unknown_patterns_count_as_other(self, folders, tmp_path):
        with pytest.warns(UserWarning, match="their votes, too, count as other"):
            _, table = ictal.evaluate(folders / "seizure", "sim", "quick", tmp_path / "cache")
        assert (table.frame[["lpd_vote", "gpd_vote", "lrda_vote", "grda_vote"]] == 0).all(axis=None)
        assert np.isfinite(table.probabilities).all()


def test_a_model_without_seizures_gives_no_table_of_seizures(folders, tmp_path):
    content = contract(output={"values": "logits", "patterns": ["lpd"]})
    save_external(tmp_path / "lpd", Seizure(), content)
    with pytest.raises(ModelError, match="does not know seizures"):
        ictal.szcore(RECORDING, tmp_path / "events.tsv", tmp_path / "lpd")
    assert not (tmp_path / "events.tsv").exists()
    ictal.score(RECORDING, tmp_path / "lpd").write(tmp_path / "scores.parquet")
    with pytest.raises(TableError, match="does not know Seizure"):
        ictal.evaluate_events(tmp_path / "scores.parquet", tmp_path / "nothing.tsv")


def test_only_occlusion_explains_it(folders):
    model, window = ictal.load_model(folders / "theirs"), eeg(50)
    with torch.no_grad():
        found = explain(model, window)
    assert found.occlusion is not None
    assert found.gradients is None
    with pytest.raises(ModelError, match="allowed is the method 'occlusion'"):
        explain(model, window, methods=["gradients"])
    with pytest.raises(ModelError, match="weights of this network are not known"):
        sanity(model.network, [window], "seizure", "occlusion")


def test_it_cannot_be_fine_tuned_or_run_by_another_engine(folders, tmp_path):
    with pytest.raises(ModelError, match="only ictal's own networks can be trained further"):
        ictal.train("sim", out=tmp_path, begin_with=folders / "theirs")
    with pytest.raises(ModelError, match="the engine 'openvino' cannot run"):
        open_engine(folders / "theirs", "openvino")


def test_the_command_scores_with_it(folders, tmp_path):
    path = tmp_path / "night.edf"
    write_edf(path, RECORDING)
    out = tmp_path / "out"
    result = CliRunner().invoke(
        app, ["score", str(path), "--model", str(folders / "seizure"), "--out", str(out), "--formats", "all"]
    )
    assert result.exit_code == 0, result.output
    assert "the model does not know LPD" in result.output
    assert (out / "night_report.html").is_file()
