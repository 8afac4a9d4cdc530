"""Public networks: the architectures are their authors', and nothing but their weights is taken."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy import signal as sp
from typer.testing import CliRunner

import ictal
from ictal import cli
from ictal.core.montage import ELECTRODES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.windows import RATE_HZ
from ictal.errors import ModelError, UnknownNameError
from ictal.models import hub
from ictal.models.external_input import ExternalInput
from ictal.models.public import import_model as importing
from ictal.models.public.import_model import import_model
from ictal.models.public.networks import NETWORKS
from ictal.models.public.weights import load_strictly, read_weights
from ictal.preprocessing.filtering import band_pass
from tests.models.public import random_input, random_weights
from tests.scoring.helpers import eeg, recording_of

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "public.json").read_text())
WINDOWS = np.stack([eeg(50, seed=seed) * 4 for seed in range(3)])
ANODES = [0, 4, 5, 6, 11, 15, 16, 17, 0, 1, 2, 3, 11, 12, 13, 14]
CATHODES = [4, 5, 6, 7, 15, 16, 17, 18, 1, 2, 3, 7, 12, 13, 14, 18]
"""Rows of the electrodes in runSPaRCNet.py, whose order is that of `ELECTRODES`."""
BIOT_CHANNELS = (
    *("FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP2-F8", "F8-T8", "T8-P8", "P8-O2"),
    *("FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2"),
)
"""As the README of ycq091044/BIOT lists them."""


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture
def users(tmp_path, monkeypatch):
    """Return the folder of the user's own models, empty."""
    monkeypatch.setattr(hub, "user_data_path", lambda name: tmp_path / "user" / name)
    return hub.models_folder()


def weights_of(name):
    return random_weights(NETWORKS[name].build())


def loaded(name):
    network = NETWORKS[name].build().eval()
    load_strictly(network, weights_of(name), Path("made"))
    return network


class TestNetworks:
    def test_tensors_are_those_of_the_authors_code(self, name):
        own = NETWORKS[name].build()
        assert {key: list(value.shape) for key, value in own.state_dict().items()} == GOLDEN[name]["tensors"]
        assert sum(one.numel() for one in own.parameters()) == GOLDEN[name]["n_parameters"]

    def test_outputs_are_those_of_the_authors_code(self, name):
        with torch.inference_mode():
            found = loaded(name)(torch.from_numpy(random_input()))
        expected = np.array(GOLDEN[name]["output"])
        assert expected.std(axis=0).min() > 0.01
        np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())

    def test_sparcnet_has_the_parameters_of_its_description(self):
        """A convolution from 16 to 64; 7 blocks of 4 layers of growth 32 and bottleneck 4 x 32; halving between."""

        def convolution(inputs, outputs, kernel):
            return (inputs * kernel + 1) * outputs

        size, count = 64, convolution(16, 64, 7)
        for block in range(7):
            for _ in range(4):
                count += convolution(size, 128, 1) + convolution(128, 32, 3)
                size += 32
            if block < 6:
                count += convolution(size, size // 2, 1)
                size //= 2
        assert size == 255
        count += (size + 1) * 6
        assert sum(one.numel() for one in NETWORKS["sparcnet"].build().parameters()) == count
        assert GOLDEN["sparcnet"]["n_parameters"] == 1_090_859


class TestContracts:
    def test_input_is_that_of_the_authors_script(self):
        found = ExternalInput(NETWORKS["sparcnet"].contract().input)(WINDOWS)
        scalp = WINDOWS[:, : len(ELECTRODES), 4000:6000]
        derivations = scalp[:, ANODES] - scalp[:, CATHODES]
        assert abs(derivations).max() > 500
        np.testing.assert_allclose(found, derivations.clip(-500, 500), atol=1e-3)

    def test_biot_takes_the_same_divided_by_its_percentile(self):
        ours, theirs = (NETWORKS[name].contract().input for name in ("biot-18", "sparcnet"))
        plain = ExternalInput(theirs)(WINDOWS)
        expected = plain / np.quantile(abs(plain), q=0.95, method="linear", axis=-1, keepdims=True)
        np.testing.assert_allclose(ExternalInput(ours)(WINDOWS), expected, atol=1e-4)
        old = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6", "FP1": "Fp1", "FP2": "Fp2"}
        named = ["-".join(old.get(part, part) for part in pair.split("-")) for pair in BIOT_CHANNELS]
        assert named == list(ours.channels)

    def test_window_rate_and_patterns(self, name):
        contract = NETWORKS[name].contract()
        assert (contract.input.seconds, contract.input.rate_hz, contract.input.n_samples) == (10, RATE_HZ, 2000)
        assert contract.output.patterns == ("other", "seizure", "lpd", "gpd", "lrda", "grda")
        assert contract.output.values == "logits"
        assert ExternalInput(contract.input).needs.seen_s == 10

    def test_filters_are_those_of_the_authors_preprocessing(self):
        """fcn_preprocess.m: filtfilt(butter(3, [.5, 40] / 100)), filtfilt(iirnotch(.6, .6 / 35))."""
        standardise = NETWORKS["sparcnet"].contract().standardise
        assert (standardise.band_hz, standardise.order, standardise.notch_hz) == ((0.5, 40), 3, 60)
        scalp = WINDOWS[0, :3]
        found = band_pass(scalp, standardise.band_hz, standardise.order)[:, 2000:8000]
        expected = sp.sosfiltfilt(sp.butter(3, [0.5 / 100, 40 / 100], "bandpass", output="sos"), scalp, axis=1)
        np.testing.assert_allclose(found, expected[:, 2000:8000], atol=0.5)

    def test_a_contract_says_what_users_must_know(self, name):
        contract = NETWORKS[name].contract()
        assert hub.NOT_A_DEVICE in contract.warnings
        assert "which you must respect" in contract.licence


class TestWeights:
    @pytest.mark.parametrize(
        ("file", "write"),
        [
            ("a.safetensors", save_file),
            ("a.pt", torch.save),
            ("a.pth", lambda weights, path: torch.save({f"module.{key}": one for key, one in weights.items()}, path)),
            (
                "a.ckpt",
                lambda weights, path: torch.save(
                    {"epoch": 3, "state_dict": {f"model.{key}": one for key, one in weights.items()}}, path
                ),
            ),
        ],
    )
    def test_files_that_are_read(self, tmp_path, file, write):
        weights = weights_of("sparcnet")
        write(weights, tmp_path / file)
        found = read_weights(tmp_path / file)
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[key], weights[key]) for key in weights)

    def test_a_pickled_network_is_not_opened_but_the_message_converts_it(self, tmp_path, monkeypatch):
        network = loaded("sparcnet")
        torch.save(network, tmp_path / "model_1130.pt")
        with pytest.raises(ModelError, match="opening it could run code, so ictal does not") as caught:
            read_weights(tmp_path / "model_1130.pt")
        monkeypatch.chdir(tmp_path)
        exec("\n".join(re.findall(r"^    (.*)$", str(caught.value), re.MULTILINE)))
        load_strictly(NETWORKS["sparcnet"].build(), read_weights(tmp_path / "model_1130.safetensors"), tmp_path)

    @pytest.mark.parametrize("file", ["a.pt", "a.safetensors"])
    def test_pickles_run_nothing(self, tmp_path, file):
        class Bomb:
            def __reduce__(self):
                return pytest.fail, ("a pickle was opened",)

        torch.save({"weights": Bomb()}, tmp_path / file)
        with pytest.raises(ModelError, match=re.escape(str(tmp_path / file))):
            read_weights(tmp_path / file)

    def test_files_that_hold_something_else(self, tmp_path):
        torch.save({"epoch": 3, "weights": torch.zeros(2)}, tmp_path / "a.pt")
        with pytest.raises(ModelError, match="holds something else than named tensors"):
            read_weights(tmp_path / "a.pt")
        save_file(weights_of("sparcnet"), tmp_path / "a.safetensors")
        whole = (tmp_path / "a.safetensors").read_bytes()
        (tmp_path / "a.safetensors").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ModelError, match="is not a complete file of safetensors"):
            read_weights(tmp_path / "a.safetensors")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda one: one.pop("classifier.1.bias"), "1 tensors differ: classifier.1.bias is missing"),
            (lambda one: one.update(scale=torch.ones(1)), "scale is not part of the network"),
            (
                lambda one: one.update({"classifier.1.weight": torch.zeros(4, 255)}),
                "classifier.1.weight is [4, 255] floating-point instead of [6, 255] floating-point",
            ),
            (
                lambda one: one.update({"classifier.1.bias": torch.zeros(6, dtype=torch.int64)}),
                "classifier.1.bias is [6] int64 instead of [6] floating-point",
            ),
            (
                lambda one: one.clear(),
                "128 tensors differ: features.densenet.conv0.weight is missing, features.densenet.conv0.bias",
            ),
        ],
    )
    def test_every_tensor_must_fit(self, change, words):
        weights = weights_of("sparcnet")
        change(weights)
        with pytest.raises(ModelError) as caught:
            load_strictly(NETWORKS["sparcnet"].build(), weights, Path("theirs.pt"))
        assert words in str(caught.value)

    def test_weights_of_half_precision_are_taken(self):
        halves = {key: value.half() for key, value in weights_of("sparcnet").items()}
        network = NETWORKS["sparcnet"].build()
        load_strictly(network, halves, Path("theirs.pt"))
        assert network.classifier[0].weight.dtype == torch.float32


class TestNothingIsAdded:
    @pytest.mark.parametrize(
        ("changes", "error", "words"),
        [
            ({"network": "eegnet"}, UnknownNameError, "unknown public network 'eegnet'; known are: sparcnet"),
            ({"weights": "none.pt"}, ModelError, "none.pt: there is no such file"),
            ({"network": "biot-16"}, ModelError, "is not a checkpoint of this network"),
            ({"name": "a/b"}, ModelError, "'a/b' is not a name for a model"),
            ({"name": "default"}, ModelError, "there is already a model 'default'"),
            ({"mains_hz": 55}, ModelError, "the frequency of the mains is 55 Hz; allowed are 50 and 60"),
        ],
    )
    def test_wrong_arguments(self, users, tmp_path, changes, error, words):
        save_file(weights_of("sparcnet"), tmp_path / "a.safetensors")
        given = {"network": "sparcnet", "weights": tmp_path / "a.safetensors", "name": "theirs"} | changes
        with pytest.raises(error) as caught:
            import_model(**given)
        assert words in str(caught.value)
        assert not users.exists()

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ModelError("its output is not finite")])
    def test_an_import_that_ends_early(self, users, tmp_path, monkeypatch, error):
        def write_half(module, contract, folder):
            (folder / "model.onnx").write_bytes(b"half")
            raise error

        monkeypatch.setattr(importing, "write_graph", write_half)
        save_file(weights_of("sparcnet"), tmp_path / "a.safetensors")
        with pytest.raises((KeyboardInterrupt, ModelError)):
            import_model("sparcnet", tmp_path / "a.safetensors", "theirs")
        assert not users.exists()


@pytest.mark.slow
class TestImported:
    """Graphs are exported and checked, which takes seconds."""

    @pytest.mark.parametrize("name", ["sparcnet", "biot-18"])
    def test_probabilities_are_those_of_the_network(self, users, tmp_path, name):
        save_file(weights_of(name), tmp_path / "a.safetensors")
        check = import_model(name, tmp_path / "a.safetensors", "theirs")
        assert len(check.auroc) == 6
        model = ictal.load_model("theirs")
        made = NETWORKS[name].contract()
        with torch.inference_mode():
            logits = loaded(name)(torch.from_numpy(ExternalInput(made.input)(WINDOWS))).numpy()
        np.testing.assert_allclose(model.predict(WINDOWS), made.output.probabilities(logits.astype(float)), atol=1e-4)

    def test_the_command_says_whose_weights_they_are_and_scores(self, users, tmp_path):
        save_file(weights_of("sparcnet"), tmp_path / "a.safetensors")
        words = ["models", "import", "sparcnet", str(tmp_path / "a.safetensors"), "--name", "theirs", "--mains", "50"]
        result = CliRunner().invoke(cli.app, words, catch_exceptions=False)
        assert result.exit_code == 0
        assert "Licence of the weights: that of the source of the weights" in result.output
        card = ictal.describe_model("theirs").card
        assert card.n_parameters == 1_090_859
        assert "a.safetensors, SHA-256 " in card.summary
        assert ictal.load_model("theirs").card.standardise.notch_hz == 50
        scores = ictal.score(recording_of(eeg(60)), model="theirs")
        np.testing.assert_allclose(scores.frame[[*PROBABILITY_COLUMNS]].sum(axis=1), 1, atol=1e-6)
