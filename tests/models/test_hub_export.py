"""Models as repositories for the Hub: read by huggingface_hub, and usable as they lie there."""

import json
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

import ictal
from ictal.cli import app
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import ModelError, WriteError
from ictal.models.hub import NOT_A_DEVICE, describe_model
from tests.models.external import Amplitude, contract, save_external
from tests.scoring.helpers import SMALL, eeg, recording_of, save


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def own(folder) -> Path:
    about = {"licence": "CC BY 4.0; cite us", "known_failures": ("calls LRDA other",), "metrics": {"KL on x": 0.5}}
    return save(folder / "mine", "temporal", SMALL, **about)


@pytest.fixture(scope="module")
def external(folder) -> Path:
    return save_external(folder / "theirs", Amplitude(), contract(licence="Ours & theirs"))


@pytest.mark.parametrize(
    ("kind", "files"),
    [("own", {"card.json", "model.safetensors"}), ("external", {"contract.yaml", "model.onnx"})],
)
def test_the_repository_is_the_model(kind, files, request, tmp_path):
    model = request.getfixturevalue(kind)
    out = ictal.export_for_hub(model, tmp_path / model.name)
    assert {path.name for path in out.iterdir()} == {"README.md", *files}
    night, columns = recording_of(eeg(60)), list(PROBABILITY_COLUMNS)
    np.testing.assert_array_equal(ictal.score(night, out).frame[columns], ictal.score(night, model).frame[columns])
    assert describe_model(out).origin == describe_model(model).origin
    assert describe_model(out).card.weights_sha256 == describe_model(model).origin["weights_sha256"]
    again = ictal.export_for_hub(out, tmp_path / "again" / model.name)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in out.iterdir()
    }


def test_the_readme_has_the_hubs_metadata_and_what_is_known(own, external, tmp_path):
    card = ModelCard.load(ictal.export_for_hub(own, tmp_path / "own") / "README.md")
    assert (card.data.license, card.data.library_name) == ("cc-by-4.0", "ictal")
    assert {"eeg", "safetensors"} <= {*card.data.tags}
    for words in ("# mine", "Trained on: none", "KL on x: 0.500", "calls LRDA other", NOT_A_DEVICE, "cite us"):
        assert words in card.text
    assert "ictal score night.edf --model hf://OWNER/mine" in card.text
    assert card.text.count(NOT_A_DEVICE) == 1
    card = ModelCard.load(ictal.export_for_hub(external, tmp_path / "external") / "README.md")
    assert (card.data.license, card.data.license_name) == ("other", "ours-theirs")
    assert "onnx" in card.data.tags
    assert describe_model(external).origin["weights_sha256"] in card.text


def test_a_persons_card_is_in_it_and_lacks_no_warning(tmp_path):
    model = save(tmp_path / "mine", "temporal", SMALL, warnings=["Adults only.", NOT_A_DEVICE])
    (model / "CARD.md").write_text("# Mine\n\nAdults only.\n")
    out = ictal.export_for_hub(model, tmp_path / "out")
    assert (out / "CARD.md").read_text() == "# Mine\n\nAdults only.\n"
    text = ModelCard.load(out / "README.md").text
    assert text.count("Adults only.") == text.count(NOT_A_DEVICE) == 1


def test_what_is_not_shared_and_where_it_is_not_written(own, external, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".git").touch()
    with pytest.raises(WriteError, match="full: cannot be written: Directory not empty"):
        ictal.export_for_hub(own, tmp_path / "full")
    program = tmp_path / "program"
    program.mkdir()
    (program / "contract.yaml").write_bytes((external / "contract.yaml").read_bytes())
    (program / "model.pt2").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"model\.pt2: is a program, .* shared are model\.safetensors, model\.onnx"):
        ictal.export_for_hub(program, tmp_path / "out")
    other = save(tmp_path / "other", "temporal", SMALL, seed=1)
    (other / "model.safetensors").write_bytes((own / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match=r"is not the file that card\.json describes"):
        ictal.export_for_hub(other, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"full", "program", "other"}


def test_the_command(own, tmp_path):
    result = CliRunner().invoke(app, ["models", "export", str(own), "--hub", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert all(name in result.output for name in ("README.md", "card.json", "model.safetensors"))
    assert json.loads((tmp_path / "out" / "card.json").read_text())["arm"] == "temporal"
