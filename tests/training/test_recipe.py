import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ictal.errors import RecipeError
from ictal.training import load_recipe
from ictal.training.recipe import differences, parse, recipe_names, to_yaml
from tests.conftest import TINY


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_loads_and_is_written_as_it_was_read(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert parse(to_yaml(recipe), "again") == recipe
    assert differences(recipe, recipe) == []


def test_paper_is_the_reference():
    recipe = load_recipe("paper")
    waveform, wavenet = recipe.models.temporal.waveform, recipe.models.temporal.wavenet
    assert recipe.standardise.band_hz == (0.1, 20)
    assert recipe.standardise.fill == "mean"
    assert (waveform.montage, waveform.decimate) == ("long_chains", 5)
    assert (waveform.clip_uv, waveform.scale_uv) == (1024, 32)
    assert wavenet.filters == (8, 16, 32, 64)
    assert wavenet.kernels == (4, 4, 4, 4)
    assert wavenet.dilations == (6, 6, 6, 6)
    assert (wavenet.hidden, wavenet.norm) == (64, "none")
    image = recipe.models.spatial.spectrogram
    assert (image.n_mels, image.width, image.n_fft, image.frame, image.hop) == (128, 256, 1024, 128, 39)
    assert (image.max_hz, image.reference, image.range_db) == (20, "image", 80)
    assert (image.offset_db, image.scale_db) == (40, 40)
    assert recipe.models.spatial.efficientnet.network == "efficientnet_b2"
    temporal, spatial = recipe.training["temporal"], recipe.training["spatial"]
    assert temporal.learning_rates == (1e-3, 1e-3, 1e-4, 1e-4, 1e-5)
    assert spatial.learning_rates == (1e-3, 1e-3, 1e-4, 1e-5)
    for training in (temporal, spatial):
        assert (training.batch_size, training.optimizer, training.panel_weight) == (32, "adam", 0)
    assert (recipe.data.folds, recipe.data.test_share) == (5, pytest.approx(1 / 6))


def test_the_first_variant_is_reachable():
    keys = ("kernels=[3,3,3,3]", "dilations=[12,8,4,1]")
    recipe = load_recipe("paper", [f"models.temporal.wavenet.{key}" for key in keys])
    assert recipe.models.temporal.wavenet.dilations == (12, 8, 4, 1)


@given(folds=st.integers(2, 9), rate=st.floats(1e-6, 1), band=st.floats(1, 20))
def test_overrides_reach_their_key_and_nothing_else(folds, rate, band):
    base = load_recipe(TINY)
    overrides = (
        f"data.folds={folds}",
        f"training.spatial.learning_rates=[{rate!r}]",
        f"standardise.band_hz=[0.5, {band!r}]",
    )
    made = load_recipe(TINY, overrides)
    assert made.data.folds == folds
    assert made.training["spatial"].learning_rates == (rate,)
    assert made.standardise.band_hz == (0.5, band)
    keys = {line.split(":")[0] for line in differences(made, base)}
    assert keys <= {"data.folds", "training.spatial.learning_rates", "standardise.band_hz"}
    assert {"training.spatial.learning_rates", "standardise.band_hz"} <= keys


def test_all_problems_come_in_one_message():
    content = yaml.safe_load(to_yaml(load_recipe(TINY)))
    content["data"]["folds"] = 1
    content["models"]["spatial"]["spectrogram"]["colour"] = "blue"
    content["training"]["temporal"]["learning_rates"] = []
    content["standardise"]["fill"] = "nearest"
    with pytest.raises(RecipeError) as caught:
        parse(yaml.safe_dump(content), "mine.yaml")
    for part in (
        *("recipe mine.yaml: 4 problems", "data.folds", "greater than or equal to 2 (it is 1)"),
        *("models.spatial.spectrogram.colour", "standardise.fill", "'linear', 'mean' or 'zero'"),
        *("training.temporal.learning_rates", "at least one rate"),
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.fold=3", r"there is no key 'data.fold'; known here are folds, test_share"),
        ("dataa.folds=3", r"there is no key 'dataa.folds'; known here are name, summary"),
        ("data.folds", r"write key=value"),
        ("data.folds=many", r"data.folds: .*valid integer.*'many'"),
        ("training.temporal.micro_batch=3", r"micro_batch is 3; it must divide batch_size 4"),
        ("standardise.band_hz=[20, 0.1]", r"0 < low < high < 100"),
        ("models.temporal.waveform.decimate=10", r"decimate leaves 20 Hz.*ends at 10 Hz"),
        ("models.spatial.spectrogram.frame=2048", r"frame is 2048; allowed is at most n_fft"),
        ("data.test_share=1", r"less than 1"),
    ],
)
def test_a_wrong_override_says_what_is_allowed(override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(TINY, [override])


@pytest.mark.parametrize(
    ("text", "message"), [("- a", "not a recipe"), ("a: [", "not YAML"), ("name: x", "training")]
)
def test_what_is_no_recipe_is_refused(text, message, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_an_arm_that_is_not_trained_has_no_settings():
    text = to_yaml(load_recipe(TINY)).replace("  spatial:\n    learning_rates", "  both:\n    learning_rates")
    with pytest.raises(RecipeError, match=r"no arm \['both'\] is trained; allowed are \['temporal', 'spatial'\]"):
        parse(text, "mine.yaml")


def test_a_recipe_without_an_arm_says_so():
    content = yaml.safe_load(to_yaml(load_recipe(TINY)))
    del content["training"]["spatial"]
    with pytest.raises(RecipeError, match="does not say how to train 'spatial'; it has temporal"):
        parse(yaml.safe_dump(content), "mine.yaml").training_of("spatial")
