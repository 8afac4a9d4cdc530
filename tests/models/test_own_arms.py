"""Own networks and estimators: how they are registered, checked, saved, loaded and explained."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import ictal
from ictal.errors import IctalError, ModelError, RecipeError, UnknownNameError
from ictal.experiments.ablation_plan import AblationSettings, plan_ablation
from ictal.explanations import explain
from ictal.explanations.sanity import sanity
from ictal.models.arms import ARMS, file_name, find_arm
from ictal.models.build import build
from ictal.models.checkpoint import load_model, save_model
from ictal.models.estimator import EstimatorNetwork
from ictal.models.input_needs import needs_of
from ictal.recipes import load_recipe
from ictal.recipes.loading import parse, to_yaml
from ictal.training.unit import make_card
from tests.conftest import TINY
from tests.models.test_arms import windows
from tests.own_arms import FOREST, NETWORK, forgotten, write

HEADER = "import torch, ictal\n"
LINEAR = """
@ictal.arm("linear")
class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(20, 6)

    def forward(self, windows):
        return self.head(windows.std(dim=2))
"""


@pytest.fixture(autouse=True)
def _forget():
    with forgotten():
        yield


def plan(arm: str, *overrides: str):
    return plan_ablation("sim", load_recipe(TINY, overrides), [arm], AblationSettings())


def changed(folder: Path, old: str, new: str) -> Path:
    assert old in LINEAR
    return write(folder, HEADER + LINEAR.replace(old, new))


def test_a_file_registers_arms_and_is_run_again_only_if_it_has_changed(tmp_path):
    path = write(tmp_path, NETWORK)
    assert ictal.load_plugin(path) == ["mine"]
    arm = find_arm("mine")
    assert (arm.summary, arm.file, arm.code.source) == ("Two convolutions on eight derivations.", path, "my_arm.py")
    ictal.load_plugin(path)
    assert find_arm("mine") is arm
    path.write_text(path.read_text().replace("Two", "2"))
    ictal.load_plugin(path)
    assert find_arm("mine").summary == "2 convolutions on eight derivations."
    assert find_arm("mine+mirror").network == "mine"


def test_the_decorated_class_stays_what_it_was_and_may_be_defined_again(tmp_path):
    for _ in range(2):  # as a cell of a notebook that runs twice

        @ictal.arm("again", summary="a layer")
        class Again(torch.nn.Linear):
            def __init__(self):
                super().__init__(20, 6)

            def forward(self, windows):
                return super().forward(windows.std(dim=2))

    assert isinstance(Again(), torch.nn.Linear)
    assert plan("again").trained == ["again"]
    with pytest.raises(ModelError, match="the name 'again' is taken by another arm"):
        ictal.arm("again")(torch.nn.Identity)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "registers no arm; decorate a network"),
        ("x = (", r"cannot be run as a plugin: line 1: SyntaxError"),
        ("import ictal\n\nraise KeyError(3)", r"cannot be run as a plugin: line 3: KeyError: 3"),
        ("raise SystemExit(2)", r"cannot be run as a plugin: line 1: SystemExit: 2"),
        ("import no_such_library", r"line 1: ModuleNotFoundError: No module named 'no_such_library'"),
        (HEADER + LINEAR + LINEAR.replace("linear", "Temporal"), "the name 'Temporal' is taken by another arm"),
        (HEADER + LINEAR.replace("linear", "KER"), "the name 'KER' is taken"),
        (HEADER + LINEAR.replace("linear", "E"), "the name 'E' is taken"),
        (HEADER + LINEAR.replace("linear", "a-b"), "cannot be named 'a-b'; allowed are letters, digits and _"),
        (HEADER + LINEAR.replace("linear", "other:b"), "cannot be named 'other:b'"),
        (HEADER + LINEAR.replace("torch.nn.Module", "dict"), "the arm 'linear': Linear is not a torch.nn.Module"),
        (HEADER + LINEAR.replace('"linear"', '"linear", settings=dict'), "settings must be a subclass of"),
    ],
)
def test_a_bad_file_is_one_error_and_registers_nothing(text, words, tmp_path):
    before = dict(ARMS)
    path = write(tmp_path, text)
    with pytest.raises(ModelError, match=words) as caught:
        ictal.load_plugin(path)
    assert str(path) in str(caught.value)
    assert before == ARMS


def test_a_file_that_is_not_there_is_one_error(tmp_path):
    with pytest.raises(ModelError, match=r"absent.py: cannot be read as a plugin: there is no such file"):
        ictal.load_plugin(tmp_path / "absent.py")
    with pytest.raises(ModelError, match="cannot be read as a plugin"):
        ictal.load_plugin(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("(20, 6)", "(20, 5)", r"its network returns \[2, 5\] for 2 windows; needed are logits \[2, 6\]"),
        ("(20, 6)", "(19, 6)", "its network fails on windows .*: RuntimeError"),
        ("return self.head(", "return self.head(torch.nan * ", "logits that are not finite"),
        ("windows.std(dim=2)", "windows.std(dim=2) * windows.std()", "other logits alone than in a batch"),
        ("return self.head(", "return torch.rand(1) * self.head(", "other logits when it is called again"),
        ("torch.nn.Linear(20, 6)", "lambda x: x[:, :6]", "has no parameters"),
        ("super().__init__()", "super().__init__(3)", "cannot be made with no settings: TypeError"),
        (
            "        self.head",
            "        self.view = ictal.views.Waveform(ictal.views.WaveformSettings(seconds=10))\n        self.head",
            "reads more than the 8 derivations and 10 s of its views",
        ),
    ],
)
def test_a_bad_network_is_refused_before_any_training(old, new, words, tmp_path):
    import ictal.views

    ictal.load_plugin(changed(tmp_path, old, new))
    with pytest.raises(ModelError, match=f"the arm 'linear'.*{words}"):
        plan("linear")


def test_what_is_made_must_be_a_network(tmp_path):
    ictal.load_plugin(write(tmp_path, HEADER + "@ictal.arm('list')\ndef made():\n    return [1]\n"))
    with pytest.raises(ModelError, match=r"the arm 'list': made made \[1\], which is not a torch.nn.Module"):
        plan("list")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("neighbors.KNeighborsClassifier", "takes no sample_weight"),
        ("linear_model.LinearRegression", "LinearRegression has no predict_proba"),
        ("calibration.CalibratedClassifierCV", "cannot be (saved|fitted)|sample_weight"),
        ("svm.SVC", "no predict_proba|cannot be"),
    ],
)
def test_an_estimator_that_cannot_be_fitted_or_saved_is_refused(made, words, tmp_path):
    module = made.partition(".")[0]
    call = f"lambda: {made}(object())" if "Calib" in made else made
    ictal.load_plugin(
        write(tmp_path, f"import ictal\nfrom sklearn import {module}\nictal.estimator('own')({call})\n")
    )
    with pytest.raises(ModelError, match=words):
        plan("own")


def test_own_settings_are_those_of_the_arm(tmp_path):
    ictal.load_plugin(write(tmp_path, NETWORK))
    recipe = plan("mine", "models.own.mine.width=3", "training.mine.batch_size=2").recipe
    assert recipe.models.own["mine"].width == 3
    assert (recipe.training["mine"].batch_size, recipe.training["mine"].learning_rates) == (2, (0.01, 0.01))
    assert parse(to_yaml(recipe), "again") == recipe
    assert build("mine", recipe.models).network.body.out_channels == 3
    assert plan("mine").recipe.models.own["mine"].width == 8
    assert plan("temporal").recipe == load_recipe(TINY)
    for override, words in (
        ("models.own.mine.widht=3", "no key 'models.own.mine.widht'; known here are width"),
        ("models.own.mine={widht: 3}", r"models.own.mine.widht: Extra inputs are not permitted \(it is 3\)"),
        ("models.own.mine.width=0", "models.own.mine.width: Input should be greater than or equal to 1"),
        ("models.own={temporal: {}}", "the arm 'temporal' has no settings here"),
        ("training.mine={penalties: [1]}", "training.mine.penalties: Extra inputs"),
        ("seeds={yours: 2}", r"seeds: \['yours'\] are not trained"),
    ):
        with pytest.raises(RecipeError, match=words):
            load_recipe(TINY, [override])
    assert load_recipe(TINY, ["seeds={mine: 2}"]).seeds == {"mine": 2}
    with pytest.raises(ModelError, match=r"models.votes is 'dirichlet', but the own arm 'mine' predicts only"):
        plan("mine", "models.votes=dirichlet")


def test_a_recipe_of_an_unknown_arm_says_how_arms_are_given(tmp_path):
    with forgotten():
        ictal.load_plugin(write(tmp_path, NETWORK))
        text = to_yaml(plan("mine").recipe)
    with pytest.raises(RecipeError) as caught:
        parse(text, "recipe.yaml")
    for words in ("recipe.yaml", "models.own", "unknown arm 'mine'", "['mine'] cannot be trained", "--plugin"):
        assert words in str(caught.value)
    with pytest.raises(UnknownNameError, match=r"unknown arm 'mine'; known are: temporal, .*whose file --plugin"):
        find_arm("mine")


def test_training_of_another_kind_is_refused(tmp_path):
    text = NETWORK.replace(
        "training=TrainingSettings(learning_rates=[0.01, 0.01], batch_size=4)", "training=MySettings()"
    )
    ictal.load_plugin(write(tmp_path, text))
    with pytest.raises(
        RecipeError, match=r"the arm 'mine' was registered with training=.*allowed are TrainingSettings"
    ):
        plan("mine")


def save(arm: str, folder: Path) -> torch.nn.Module:
    """Save an untrained model, or an estimator that is fitted to noise."""
    recipe = plan(arm).recipe
    network = build(arm, recipe.models).eval()
    if isinstance(network.network, EstimatorNetwork):
        rng = np.random.default_rng(0)
        features = rng.normal(size=(60, 101)).astype(np.float32)
        network.network.fit(features, np.arange(60) % 6, np.ones(60), 0)
    array = type("Array", (), {"fingerprints": "f"})()
    save_model(folder, network, make_card(arm, recipe, array, "sim"))
    return network


@pytest.mark.parametrize(("arm", "text"), [("mine", NETWORK), ("forest", FOREST)])
def test_a_saved_model_needs_its_file_and_then_predicts_the_same(arm, text, tmp_path):
    path, folder = write(tmp_path, text), tmp_path / "model"
    folder.mkdir()
    with forgotten():
        ictal.load_plugin(path)
        network = save(arm, folder)
    with pytest.raises(
        ModelError, match=rf"model: the arm '{arm}' .*my_arm.py: give that file with --plugin my_arm.py"
    ):
        load_model(folder)
    ictal.load_plugin(path)
    loaded = load_model(folder)
    signals = windows(3).numpy()
    with torch.inference_mode():
        expected = network(windows(3)).softmax(1).numpy()
    np.testing.assert_allclose(loaded.predict(signals, batch_size=2), expected, atol=1e-6)
    assert loaded.card.own_arms == {arm: find_arm(arm).code}
    path.write_text(path.read_text() + "# a change\n")
    ictal.load_plugin(path)
    with pytest.warns(UserWarning, match=f"the code of the arm '{arm}' has changed since the model was trained"):
        load_model(folder)


def test_a_network_needs_only_what_its_views_read(tmp_path):
    ictal.load_plugin(write(tmp_path, NETWORK))
    ictal.load_plugin(write(tmp_path, HEADER + LINEAR, "other.py"))
    models = load_recipe(TINY).models
    needs = needs_of(build("mine", models))
    assert (len(needs.derivations), needs.seen_s) == (8, 10)
    needs = needs_of(build("linear", models))
    assert (needs.derivations, needs.seen_s) == (None, 50)


def test_the_card_of_a_built_in_arm_has_no_own_arms(tmp_path):
    ictal.load_plugin(write(tmp_path, NETWORK))
    recipe = load_recipe(TINY, ["models.own.mine.width=3"])
    card = make_card("temporal", recipe, type("Array", (), {"fingerprints": "f"})(), "sim")
    assert (card.models.own, card.own_arms) == ({}, {})


def test_an_estimator_is_explained_by_occlusion_alone(tmp_path):
    ictal.load_plugin(write(tmp_path, FOREST))
    (tmp_path / "model").mkdir()
    save("forest", tmp_path / "model")
    window = windows(1)[0].numpy()
    model = load_model(tmp_path / "model")
    found = explain(model, window)
    assert (found.occlusion is not None, found.gradients) == (True, None)
    with pytest.raises(ModelError, match="no known gradients"):
        explain(model, window, methods=["gradients"])
    with pytest.raises(ModelError, match="no weights that can be made random"):
        sanity(model.network, [window], "lpd", "occlusion")


def test_a_graph_in_a_model_may_be_damaged_but_is_never_a_pickle(tmp_path):
    ictal.load_plugin(write(tmp_path, FOREST))
    (tmp_path / "model").mkdir()
    save("forest", tmp_path / "model")
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["n_parameters"] is None
    assert (tmp_path / "model" / "model.safetensors").read_bytes().count(b"sklearn") == 0


def install(folder: Path, modules: dict[str, str], arms: dict[str, str], monkeypatch) -> None:
    """Install a package whose entry points say which module registers which arm."""
    for name, text in modules.items():
        write(folder, text, f"{name}.py")
        monkeypatch.delitem(sys.modules, name, raising=False)
    info = folder / "fake_arms-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-arms\nVersion: 1.2\n")
    points = "".join(f"{arm} = {module}\n" for arm, module in arms.items())
    (info / "entry_points.txt").write_text(f"[ictal.arms]\n{points}")
    (info / "RECORD").write_text("".join(f"{name}.py,,\n" for name in modules))
    monkeypatch.syspath_prepend(folder)


def test_an_installed_package_brings_arms_that_are_imported_when_they_are_used(tmp_path, monkeypatch):
    modules = {"fake_arms": NETWORK, "fake_broken": "1 / 0", "fake_empty": "x = 1"}
    arms = {"mine": "fake_arms", "broken": "fake_broken", "empty": "fake_empty"}
    install(tmp_path, modules, arms, monkeypatch)
    with pytest.raises(UnknownNameError, match="mine, broken, empty, braindecode:MODEL"):
        find_arm("absent")
    assert "fake_arms" not in sys.modules
    assert find_arm("mine").code.source == "fake-arms 1.2"
    with pytest.raises(ModelError, match=r"the arm 'broken' of the package fake-arms .* cannot be imported: ZeroDiv"):
        find_arm("broken")
    with pytest.raises(ModelError, match=r"the arm 'empty' of the package fake-arms .* registers no arm"):
        find_arm("empty")
    assert "mine" in plan("mine").arms


def test_names_of_folders_have_no_colons():
    assert file_name("braindecode:EEGNet-fold0-seed0") == "braindecode-EEGNet-fold0-seed0"


def test_without_braindecode_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "braindecode", None)
    with pytest.raises(IctalError, match=re.escape("pip install 'ictal[braindecode]'")):
        find_arm("braindecode:EEGNet")
