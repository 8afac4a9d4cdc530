"""Find, read, override, compare and write recipes."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ictal.core.settings import problems_of
from ictal.core.yaml_text import read_yaml
from ictal.errors import RecipeError, raise_problems
from ictal.models.arms import find_arm
from ictal.models.model_settings import ModelSettings
from ictal.recipes.schema import Recipe, own_training


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with ictal."""
    return sorted(
        Path(file.name).stem
        for file in resources.files("ictal").joinpath("recipes").iterdir()
        if file.name.endswith(".yaml")
    )


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe.

    Parameters
    ----------
    name
        Name of a recipe that comes with ictal, or path of a YAML file.
    overrides
        Changes as 'key=value', with dots between levels; the value is YAML, e.g. ``training.temporal.batch_size=16``.

    Raises
    ------
    RecipeError
        If there is no such recipe, or listing all keys and values that are not allowed.
    """
    if name in recipe_names():
        text = resources.files("ictal").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
    elif Path(name).is_file():
        try:
            text = Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise RecipeError(f"{name}: not a text file, so not a recipe") from error
    else:
        raise RecipeError(f"no recipe '{name}'; known are {', '.join(recipe_names())}, or the path of a YAML file")
    content = parse(text, name).model_dump(mode="json")
    for override in overrides:
        _apply(content, override)
    return _validate(content, f"{name} with {', '.join(overrides)}" if overrides else name)


MODEL_KEYS = ("models", "standardise", "seeds")
"""Keys of a recipe that a saved model determines when training starts from it; its card has the same keys."""


def recipe_of_model(recipe: Recipe, name: str, known: Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Return a recipe whose networks, their number, views and input are those of a saved model.

    Parameters
    ----------
    recipe
        The recipe, with overrides applied.
    name
        Name of the model.
    known
        The values of `MODEL_KEYS` in its card.
    overrides
        As in `load_recipe`; overrides of `MODEL_KEYS` must agree with the card.

    Raises
    ------
    RecipeError
        If they do not.
    """
    changed = recipe.model_copy(update=known)
    content = changed.model_dump(mode="json")
    for override in overrides:
        if override.partition("=")[0].strip().split(".")[0] in MODEL_KEYS:
            _apply(content, override)
    if disagree := differences(_validate(content, recipe.name), changed):
        raise RecipeError(
            f"training starts from the model '{name}', whose networks, views and input cannot be changed; --set "
            f"disagrees: {disagree[0].replace('in the folder', 'in the model')}"
        )
    return changed


def parse(text: str, name: str) -> Recipe:
    """Read a recipe from YAML text; `name` is used in error messages."""
    try:
        content = read_yaml(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{name}: not a recipe; a recipe is a YAML mapping with 'name' and 'training'")
    return _validate(content, name)


def to_yaml(recipe: Recipe) -> str:
    """Return a recipe as YAML, with all its defaults written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def differences(one: Recipe, other: Recipe) -> list[str]:
    """List the keys in which two recipes differ, with both values; summaries are ignored."""
    first, second = (_flat(recipe.model_dump(mode="json", exclude={"summary"})) for recipe in (one, other))
    return [
        f"{key}: {second.get(key, '(none)')} in the folder, {first.get(key, '(none)')} now"
        for key in sorted({*first, *second})
        if first.get(key) != second.get(key)
    ]


def _validate(content: Mapping[str, Any], name: str) -> Recipe:
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise_problems(f"recipe {name}", problems_of(error), RecipeError)
        raise


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals:
        raise RecipeError(f"--set '{override}': write key=value, for example data.folds=3")
    *path, last = key.strip().split(".")
    _add_own(content, [*path, last])
    level: Any = content
    for part in path:
        level = _entries(level).get(part)
    known = _entries(level)
    if last not in known:
        near = ", ".join(known or content)
        raise RecipeError(f"--set '{override}': no key '{key}'; known here are {near}")
    try:
        level[int(last) if isinstance(level, list) else last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set '{override}': the value is not YAML: {error}") from error


def _add_own(content: dict[str, Any], path: Sequence[str]) -> None:
    """Add the defaults of an own arm that the key of an override names."""
    match path:
        case ["training", name, *_]:
            if name not in content["training"] and (arm := find_arm(name)).code:
                content["training"][name] = own_training(arm).model_dump(mode="json")
        case ["models", "own", name, *_]:
            if name not in content["models"]["own"] and (settings := ModelSettings().settings_of(name)):
                content["models"]["own"][name] = settings.model_dump(mode="json")


def _entries(level: Any) -> dict[str, Any]:
    """Return the entries of a level of a recipe, by key or, in a list, by number."""
    if isinstance(level, list):
        return {str(number): entry for number, entry in enumerate(level)}
    return level if isinstance(level, dict) else {}


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    of_lists = isinstance(content, list) and any(isinstance(entry, dict) for entry in content)
    if not isinstance(content, dict) and not of_lists:
        return {prefix: content}
    return {
        key: value
        for name, inner in _entries(content).items()
        for key, value in _flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }
