"""Models from elsewhere: what a contract says is what is computed, and what it gets wrong is refused."""

import numpy as np
import pytest
import torch
import yaml
from scipy.signal import resample_poly
from torch import nn

from ictal.core.labels import PATTERNS
from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.errors import ModelError
from ictal.models.checkpoint import load_model
from ictal.models.external import open_external
from ictal.models.external_contract import InputSettings, OutputSettings
from ictal.models.external_input import ExternalInput
from ictal.models.hub import describe_model
from tests.models.external import Amplitude, OfDerivations, contract, save_external, symmetric
from tests.scoring.helpers import eeg

WINDOWS = np.stack([eeg(50, seed=seed) for seed in range(3)])


def given(**settings):
    return ExternalInput(InputSettings.model_validate(settings))(WINDOWS)


def row(name):
    return WINDOWS[:, CHANNELS.index(name)]


class TestInput:
    def test_derivations_are_differences_of_electrodes_of_the_middle(self):
        found = given(channels=["Fp1-F7", "T4-T6"], seconds=10)
        middle = slice(4000, 6000)
        assert found.shape == (3, 2, 2000)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[:, 0], (row("Fp1") - row("F7"))[:, middle], atol=1e-4)
        np.testing.assert_allclose(found[:, 1], (row("T4") - row("T6"))[:, middle], atol=1e-4)

    def test_the_new_names_of_electrodes_mean_the_old_ones(self):
        np.testing.assert_array_equal(given(channels=["T8-P8"]), given(channels=["T4-T6"]))

    def test_single_electrodes_are_against_the_average_or_as_recorded(self):
        scalp = WINDOWS[:, : len(ELECTRODES)]
        average = given(channels="electrodes")
        np.testing.assert_allclose(average, scalp - scalp.mean(axis=1, keepdims=True), atol=1e-3)
        np.testing.assert_array_equal(given(channels=["Cz", "EKG"], reference="recorded")[:, 0], row("Cz"))
        np.testing.assert_array_equal(given(channels=["Cz", "EKG"])[:, 1], row("EKG"))

    def test_another_rate_is_that_of_scipy(self):
        found = given(channels=["Fp1-F7"], seconds=10, rate_hz=128)
        cut = (row("Fp1") - row("F7"))[:, 4000:6000]
        np.testing.assert_allclose(found[:, 0], resample_poly(cut, 16, 25, axis=-1, padtype="line"), atol=1e-3)
        assert found.shape == (3, 1, 1280)

    def test_a_labelled_part_that_is_not_in_the_middle_is_put_on_the_votes(self):
        """A model of 20 s that describes its last 10 s sees the labelled 10 s and the 10 s before."""
        made = ExternalInput(InputSettings(channels=("Fp1-F7",), seconds=20, labelled_s=(10, 20)))
        assert made.needs.seen_s == 30
        np.testing.assert_allclose(made(WINDOWS)[:, 0], (row("Fp1") - row("F7"))[:, 2000:6000], atol=1e-4)

    def test_steps_follow_the_order_of_the_contract(self):
        plain = given(channels=["Fp1-F7", "T4-T6"])
        found = given(channels=["Fp1-F7", "T4-T6"], clip_uv=30, scale_uv=10, normalise="zscore", clip=1)
        scaled = plain.clip(-30, 30) / 10
        expected = (scaled - scaled.mean(-1, keepdims=True)) / scaled.std(-1, keepdims=True)
        np.testing.assert_allclose(found, expected.clip(-1, 1), atol=1e-4)

    @pytest.mark.parametrize("over", ["channel", "window"])
    @pytest.mark.parametrize("kind", ["zscore", "robust", "percentile95"])
    def test_normalisations(self, kind, over):
        plain = given(channels=["Fp1-F7", "T4-T6"]).astype(float)
        axes = (-1,) if over == "channel" else (-2, -1)
        low, middle, high = np.percentile(plain, [25, 50, 75], axis=axes, keepdims=True)
        expected = {
            "zscore": (plain - plain.mean(axes, keepdims=True)) / plain.std(axes, keepdims=True),
            "robust": (plain - middle) / (high - low),
            "percentile95": plain / np.percentile(abs(plain), 95, axis=axes, keepdims=True),
        }[kind]
        found = given(channels=["Fp1-F7", "T4-T6"], normalise=kind, over=over)
        np.testing.assert_allclose(found, expected, atol=1e-3)

    def test_a_flat_channel_stays_finite(self):
        made = ExternalInput(InputSettings(channels=("Fp1-F7",), normalise="zscore"))
        assert (made(np.zeros((1, 20, 10_000), np.float32)) == 0).all()

    @pytest.mark.parametrize(
        ("layout", "shape"),
        [
            ("batch time channel", (3, 10_000, 2)),
            ("batch 1 channel time", (3, 1, 2, 10_000)),
            ("batch (channel time)", (3, 20_000)),
        ],
    )
    def test_layouts(self, layout, shape):
        assert given(channels=["Fp1-F7", "T4-T6"], layout=layout).shape == shape

    @pytest.mark.parametrize(
        ("view", "shape"),
        [
            ({"name": "spectrogram", "settings": {"n_mels": 16, "width": 32}}, (3, 4, 16, 32)),
            ({"name": "volume", "settings": {"n_mels": 8, "width": 16, "frame": 1000}}, (3, 1, 16, 18, 8)),
        ],
    )
    def test_views_are_those_of_ictals_networks(self, view, shape):
        layouts = {
            "spectrogram": "batch chain mel time",
            "volume": "batch 1 time derivation frequency",
        }
        found = given(view=view, layout=layouts[view["name"]])
        assert found.shape == shape
        assert np.isfinite(found).all()

    def test_needs_are_the_derivations_or_all_electrodes(self):
        of = lambda **settings: ExternalInput(InputSettings.model_validate(settings)).needs  # noqa: E731
        assert [str(one) for one in of(channels=["Fp1-F7"]).derivations] == ["Fp1-F7"]
        assert len(of(channels=["Cz"]).derivations) == 18  # the average: Cz against each other electrode
        assert of(channels=["Cz"], reference="recorded").derivations is None


class TestOutput:
    def test_patterns_are_put_in_order_and_logits_become_probabilities(self):
        output = OutputSettings(values="logits", patterns=("other", "seizure", "lpd", "gpd", "lrda", "grda"))
        found = output.probabilities(np.log([[0.5, 0.2, 0.1, 0.1, 0.05, 0.05]]))
        np.testing.assert_allclose(found, [[0.2, 0.1, 0.1, 0.05, 0.05, 0.5]])

    def test_one_output_tells_a_pattern_from_everything_else(self):
        output = OutputSettings(values="logits", patterns=("seizure",))
        found = output.probabilities(np.array([[np.log(3)]]))
        np.testing.assert_allclose(found, [[0.75, 0, 0, 0, 0, 0.25]])
        assert output.known == ("seizure", "other")


class TestSameAsOurs:
    def test_windows_and_cards(self, tmp_path):
        ours = symmetric()
        model = load_model(save_external(tmp_path / "theirs", OfDerivations(ours), contract()))
        windows = torch.from_numpy(WINDOWS)
        with torch.inference_mode():
            expected = ours(windows).softmax(1).numpy()
        np.testing.assert_allclose(model.predict(WINDOWS), expected, atol=1e-4)
        assert model.needs.seen_s == 10
        assert describe_model(tmp_path / "theirs").card.arm == "external"

    @pytest.mark.filterwarnings("ignore:No complete tensor found")  # of torch.export, about itself
    @pytest.mark.parametrize("kind", ["pt2", "pt"])
    def test_a_program_of_torch_gives_the_same(self, tmp_path, kind):
        network = Amplitude() if kind == "pt" else OfDerivations(symmetric()).eval()  # tracing fixes what is traced
        example = torch.randn(2, 18, 2000)
        expected = open_external(save_external(tmp_path / "onnx", network, contract()))(WINDOWS)
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "contract.yaml").write_text(yaml.safe_dump(contract()))
        if kind == "pt2":
            shapes = ({0: torch.export.Dim("batch", min=1, max=64)},)
            torch.export.save(torch.export.export(network, (example,), dynamic_shapes=shapes), folder / "model.pt2")
        else:
            with pytest.warns(FutureWarning):
                torch.jit.trace(network, example).save(folder / "model.pt")
        np.testing.assert_allclose(open_external(folder)(WINDOWS), expected, atol=1e-4)


class TestWrong:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"input": {"channels": ["Fp1-F7", "XX"]}}, "'XX' is not an electrode"),
            ({"input": {"channels": ["Fp1-F7", "FP1-F7"]}}, "Fp1-F7 listed twice"),
            ({"input": {"channels": "banana"}}, "is 'banana'; allowed are a list of channels, electrodes"),
            ({"input": {"channels": ["Cz"], "colour": 1}}, "input.colour"),
            ({"input": {"channels": ["Cz"], "seconds": 0.333, "rate_hz": 100}}, "33.3 samples, not a whole number"),
            ({"input": {"channels": ["Cz"], "seconds": 40, "labelled_s": [0, 10]}}, "35 s on one side"),
            ({"input": {}}, "channels: at least one is needed"),
            (
                {"output": {"values": "logits", "patterns": ["seizure", "spike"]}},
                "spike unknown; allowed are seizure",
            ),
            ({"output": {"values": "logits", "patterns": ["seizure", "lpd"]}}, "'other' must be among them"),
            ({"output": {"values": "votes", "patterns": ["seizure"]}}, "output.values"),
            ({"standardise": {}}, "band_hz is missing"),
            ({"standardise": {"band_hz": [20, 1]}}, "allowed is 0 < low < high"),
        ],
    )
    def test_a_contract(self, tmp_path, changes, message):
        (tmp_path / "model.onnx").write_bytes(b"")
        (tmp_path / "contract.yaml").write_text(yaml.safe_dump(contract(**changes)))
        with pytest.raises(ModelError, match=r"contract\.yaml: ") as caught:
            open_external(tmp_path)
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"input": {"channels": "electrodes", "seconds": 10}},
                "but its contract makes one of ['batch', 19, 2000]",
            ),
            ({"input": {"channels": "double_banana", "seconds": 20}}, "correct input.layout, channels, rate_hz"),
            ({"output": {"values": "logits", "patterns": ["seizure"]}}, "its contract states 1 output: [3, 1]"),
            ({"output": {"values": "probabilities", "patterns": list(PATTERNS)}}, "state output.values: logits"),
            (
                {"input": {"channels": "double_banana", "seconds": 10, "layout": "time batch"}},
                "must arrange the axes",
            ),
        ],
    )
    def test_a_contract_that_contradicts_the_graph(self, tmp_path, changes, message):
        save_external(tmp_path, Amplitude(), contract(**changes))
        with pytest.raises(ModelError) as caught:
            open_external(tmp_path)(WINDOWS)
        assert message in str(caught.value)

    def test_an_output_that_is_not_finite(self, tmp_path):
        class Log(nn.Module):
            def forward(self, array):
                return (array.mean(dim=-1)[:, :6] - 1e9).log()

        save_external(tmp_path, Log(), contract())
        with pytest.raises(ModelError, match="output is not finite"):
            open_external(tmp_path)(WINDOWS)

    def test_files(self, tmp_path):
        save_external(tmp_path, Amplitude(), contract(weights_sha256="0" * 64))
        with pytest.raises(ModelError, match=r"model\.onnx: is not the file that the contract describes"):
            open_external(tmp_path)
        (tmp_path / "contract.yaml").write_text(yaml.safe_dump(contract()))
        (tmp_path / "model.onnx").write_bytes((tmp_path / "model.onnx").read_bytes()[:500])
        with pytest.raises(ModelError, match="is not a complete graph in ONNX"):
            open_external(tmp_path)
        (tmp_path / "model.onnx").rename(tmp_path / "network.onnx")
        with pytest.raises(ModelError, match=r"needs one of model\.onnx, model\.pt2, model\.pt; it has none"):
            open_external(tmp_path)

    @pytest.mark.parametrize("name", ["model.pt", "model.pt2"])
    def test_a_pickle_is_never_opened(self, tmp_path, name):
        (tmp_path / "contract.yaml").write_text(yaml.safe_dump(contract()))

        class Bomb:
            def __reduce__(self):
                return pytest.fail, ("a pickle was opened",)

        torch.save({"weights": Bomb()}, tmp_path / name)
        with pytest.raises(ModelError, match="pickled weights or modules are never opened"):
            open_external(tmp_path)
