import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ictal.errors import RecipeError
from ictal.recipes import load_recipe
from ictal.recipes.augmentation import AugmentSettings
from ictal.recipes.loading import differences, parse, recipe_names, to_yaml
from ictal.recipes.schema import Recipe
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
        ("data.fold=3", r"no key 'data.fold'; known here are folds, test_share"),
        ("dataa.folds=3", r"no key 'dataa.folds'; known here are name, summary"),
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
    ("text", "message"),
    [
        ("- a", "not a recipe"),
        ("a: [", "not YAML"),
        ("a: 1\na: 2", "the key 'a' is there twice"),
        ("name: x", "training"),
    ],
)
def test_what_is_no_recipe_is_refused(text, message, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        load_recipe(str(path))


def test_an_arm_that_is_not_trained_has_no_settings():
    text = to_yaml(load_recipe(TINY)).replace("  spatial:\n    learning_rates", "  both:\n    learning_rates")
    with pytest.raises(
        RecipeError, match=r"\['both'\] cannot be trained; allowed are \['temporal', 'spatial', 'features', 'fusion'"
    ):
        parse(text, "mine.yaml")


def test_a_recipe_without_an_arm_says_so():
    content = yaml.safe_load(to_yaml(load_recipe(TINY)))
    del content["training"]["spatial"]
    with pytest.raises(RecipeError, match=r"does not say how to train 'spatial'; it has .*temporal"):
        parse(yaml.safe_dump(content), "mine.yaml").training_of("spatial")


def test_paper_adds_nothing_that_the_reference_does_not_have():
    recipe = load_recipe("paper")
    assert recipe.models.spatial.efficientnet.pretrained == "prefer"
    assert recipe.models.spatial.efficientnet.drop_rate == 0
    assert recipe.models.spatial.efficientnet.drop_path_rate == 0
    for arm in ("temporal", "spatial"):
        assert recipe.training[arm].clip_norm is None
        assert recipe.training[arm].weight_decay == 0
    networks = [training for name, training in recipe.training.items() if name != "features"]
    assert {training.augment for training in networks} == {AugmentSettings()}


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load_recipe(TINY).seed = 3


def test_a_recipe_says_which_it_is_and_what_was_set_over_it():
    with pytest.raises(RecipeError, match=r"^recipe paper with data.folds=1, seed=-1: 2 problems"):
        load_recipe("paper", ["data.folds=1", "seed=-1"])
    with pytest.raises(
        RecipeError, match="no recipe 'fast'; known are default, finetune, paper, quick, simulated, or the path"
    ):
        load_recipe("fast")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("training.spatial.learning_rates", "[0.1, 0]", r"0.1, 0.0\]; allowed is at least one rate, each above 0"),
        ("training.spatial.learning_rates", "[0.1, -1]", "each above 0"),
        ("training.spatial.clip_norm", "0", "greater than 0"),
        ("training.spatial.panel_weight", "3", "less than or equal to 2"),
        ("training.spatial.optimizer", "sgd", r"'adam' or 'adamw' \(it is 'sgd'\)"),
        ("evaluation.n_resamples", "10", "greater than or equal to 100"),
        ("evaluation.confidence", "1", "less than 1"),
        ("evaluation.confidence", ".nan", "finite"),
        ("seed", "-1", "greater than or equal to 0"),
        ("name", "3", r"valid string \(it is 3\)"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_key(key, value, message):
    with pytest.raises(RecipeError, match=rf"{key.replace('.', '[.]')}: .*{message}"):
        load_recipe(TINY, [f"{key}={value}"])


def test_null_is_a_value():
    assert load_recipe(TINY, ["training.spatial.clip_norm=null"]).training["spatial"].clip_norm is None


def test_without_a_band_pass_nothing_may_be_decimated():
    # 200 Hz without a filter hold up to 100 Hz, so every sample is needed.
    with pytest.raises(RecipeError, match=r"band_hz = None passes; allowed is a band that ends at 20 Hz"):
        load_recipe(TINY, ["standardise.band_hz=null"])
    both = ["models.temporal.waveform.decimate=1", "standardise.band_hz=null"]
    assert load_recipe(TINY, both).standardise.band_hz is None
    assert load_recipe(TINY, list(reversed(both))).standardise.band_hz is None


def test_a_band_that_only_the_symmetric_arm_cannot_carry_stops_that_arm_alone():
    recipe = load_recipe(TINY, ["standardise.band_hz=[0.5, 50]", "models.temporal.waveform.decimate=2"])
    recipe.training_of("temporal")
    with pytest.raises(RecipeError, match=r"models.symmetric.waveform.decimate leaves 50 Hz.*ends at 25 Hz"):
        recipe.training_of("symmetric")


@pytest.mark.parametrize(("decimate", "highest"), [(2, 50), (4, 25), (5, 20), (10, 10)])
def test_a_band_may_reach_half_of_the_rate_that_is_left(decimate, highest):
    keep = f"models.temporal.waveform.decimate={decimate}"
    low_enough = [f"standardise.band_hz=[0.5, {highest}]", keep]
    assert load_recipe(TINY, low_enough).models.temporal.waveform.rate_hz == 2 * highest
    with pytest.raises(RecipeError, match=rf"decimate leaves {2 * highest} Hz"):
        load_recipe(TINY, [f"standardise.band_hz=[0.5, {highest + 0.1}]", keep])


def test_recipes_that_differ_only_in_their_summary_are_the_same():
    recipe = load_recipe("quick")
    assert differences(recipe.model_copy(update={"summary": "In other words."}), recipe) == []


def test_differences_say_which_value_stands_where():
    now, folder = load_recipe(TINY, ["data.folds=3"]), load_recipe(TINY, ["seed=4"])
    assert differences(now, folder) == ["data.folds: 2 in the folder, 3 now", "seed: 4 in the folder, 0 now"]
    content = yaml.safe_load(to_yaml(now))
    del content["training"]["spatial"]
    alone = parse(yaml.safe_dump(content), "alone")
    lost = [line for line in differences(alone, now) if "batch_size" in line]
    assert lost == ["training.spatial.batch_size: 4 in the folder, (none) now"]


@given(
    name=st.text(min_size=1, max_size=30),
    summary=st.text(max_size=60),
    seed=st.integers(0, 2**40),
    rates=st.lists(st.floats(1e-8, 10), min_size=1, max_size=4),
    clip=st.none() | st.floats(0.01, 100),
    share=st.floats(0, 0.99),
)
def test_yaml_holds_any_recipe(name, summary, seed, rates, clip, share):
    content = yaml.safe_load(to_yaml(load_recipe(TINY)))
    content |= {"name": name, "summary": summary, "seed": seed}
    content["training"]["spatial"] |= {"learning_rates": rates, "clip_norm": clip}
    content["data"]["test_share"] = share
    recipe = Recipe.model_validate(content)
    again = parse(to_yaml(recipe), "again")
    assert again == recipe
    assert differences(again, recipe) == []


@pytest.mark.parametrize("value", ["[", "{a: ]", "'"])
def test_an_override_that_is_no_yaml_is_an_error_of_the_recipe(value):
    with pytest.raises(RecipeError, match=r"data\.folds="):
        load_recipe(TINY, [f"data.folds={value}"])


def test_a_file_that_is_no_text_is_an_error_of_the_recipe(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(RecipeError, match=r"mine\.yaml"):
        load_recipe(str(path))
