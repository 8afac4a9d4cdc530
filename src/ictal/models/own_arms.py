"""Decorators that register an own network, or an own estimator on features, as an arm."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from ictal.core.atomic_files import sha256_of
from ictal.core.labels import N_PATTERNS
from ictal.core.settings import Settings
from ictal.errors import ModelError
from ictal.models.arms import Arm, OwnCode, register
from ictal.models.build import NETWORKS
from ictal.models.estimator import EstimatorNetwork, check_estimator
from ictal.models.model_settings import ModelSettings

Made = TypeVar("Made", bound=Callable[..., Any])
"""What a decorator is applied to: a class, or a function that returns an object of it."""


def arm(
    name: str, *, summary: str = "", settings: type[Settings] | None = None, training: Settings | None = None
) -> Callable[[Made], Made]:
    """Register a network of your own as an arm, which is then trained, compared, saved and exported like the others.

    The network is a `torch.nn.Module`. It gets windows [batch, 20, 10000], float32, in µV: 50 s at 200 Hz of the
    channels `ictal.core.montage.CHANNELS`, filtered as the recipe says, and returns logits [batch, 6] in the order of
    `ictal.core.labels.PATTERNS`.

    Parameters
    ----------
    name
        Name of the arm: letters, digits and _.
    summary
        What it is, in a line, for reports; '' for the first line of its docstring.
    settings
        Class of its settings, which a recipe may have under `models.own.NAME`; the network is made with an object of
        it as its only argument. None: the network is made without arguments.
    training
        How it is trained unless the recipe says so, as `ictal.recipes.TrainingSettings`; None for
        `ictal.recipes.schema.OWN_TRAINING`.

    Raises
    ------
    ModelError
        If the name is not allowed or taken, or what is decorated does not make a network.

    Examples
    --------
    >>> @ictal.arm("linear", summary="one layer on the mean voltage of each second")
    ... class Linear(torch.nn.Module): ...
    """

    def decorate(made: Made) -> Made:
        if not callable(made) or (isinstance(made, type) and not issubclass(made, nn.Module)):
            raise ModelError(f"the arm '{name}': {_shown(made)} is not a torch.nn.Module")

        def build(models: ModelSettings, initial: bool) -> nn.Module:
            network = _made(name, made, models)
            if not isinstance(network, nn.Module):
                raise ModelError(f"the arm '{name}': {_shown(made)} made {network!r}, which is not a torch.nn.Module")
            return network

        _register(Arm(name, summary, name, "network", settings=settings, training=training), made, build)
        return made

    return decorate


def estimator(
    name: str, *, summary: str = "", settings: type[Settings] | None = None, training: Settings | None = None
) -> Callable[[Made], Made]:
    """Register an estimator of scikit-learn as an arm, which is fitted to the 101 features of the arm 'features'.

    The estimator is a classifier with `fit(X, y, sample_weight)` and `predict_proba`, or a pipeline that ends in one.
    X is [row, feature], float32. Each window is a row per pattern that it has votes of, weighted by their share. The
    fitted estimator becomes an ONNX graph (with skl2onnx), which then predicts, and is saved with the model.

    Parameters
    ----------
    name, summary, settings
        As for `arm`.
    training
        `ictal.recipes.regression.FittedSettings`; None for its defaults.

    Raises
    ------
    ModelError
        If the name is not allowed or taken, or what is decorated does not make an estimator.

    Examples
    --------
    >>> @ictal.estimator("forest")
    ... def forest():
    ...     return RandomForestClassifier(300, min_samples_leaf=5)
    """

    def decorate(made: Made) -> Made:
        if not callable(made):
            raise ModelError(
                f"the arm '{name}': {_shown(made)} is not a function that makes an estimator, or a class"
            )

        def build(models: ModelSettings, initial: bool) -> nn.Module:
            def unfitted() -> Any:
                return check_estimator(name, _made(name, made, models))

            return EstimatorNetwork(models.features.features, unfitted)

        _register(Arm(name, summary, name, "estimator", settings=settings, training=training), made, build)
        return made

    return decorate


def _made(name: str, made: Callable[..., Any], models: ModelSettings) -> Any:
    """Return what a decorated class or function makes with the arm's settings."""
    if models.n_outputs != N_PATTERNS:
        raise ModelError(f"models.votes is '{models.votes}', but the own arm '{name}' predicts only a distribution")
    settings = models.settings_of(name)
    try:
        return made() if settings is None else made(settings)
    except Exception as error:
        raise ModelError(
            f"the arm '{name}' cannot be made with {settings or 'no settings'}: {type(error).__name__}: {error}"
        ) from error


def _register(arm: Arm, made: Callable[..., Any], build: Callable[[ModelSettings, bool], nn.Module]) -> None:
    """Add an arm and its builder to the tables of all arms."""
    if arm.settings is not None:
        _check_settings(arm.name, arm.settings)
    first_line = (inspect.getdoc(made) or "").partition("\n")[0]
    file, code = _code_of(made)
    summary = arm.summary or first_line or f"{_KINDS[arm.kind]} of {code.source}"
    defined = f"{made.__module__}:{made.__qualname__}"
    register(replace(arm, summary=summary, code=code, file=file, defined=defined))
    NETWORKS[arm.name] = build


def _check_settings(name: str, settings: object) -> None:
    """Refuse a class of settings that would ignore unknown keys, or that a recipe would have to contain."""
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        raise ModelError(f"the arm '{name}': settings must be a subclass of ictal.core.settings.Settings")
    if needed := [key for key, field in settings.model_fields.items() if field.is_required()]:
        raise ModelError(f"the arm '{name}': every setting needs a default; {', '.join(needed)} has none")


_KINDS = {"network": "a network", "estimator": "an estimator on features"}


def _code_of(made: Callable[..., Any]) -> tuple[Path | None, OwnCode]:
    """Return the file of a class or function, and how cards name it."""
    known = getattr(sys.modules.get(made.__module__), "__file__", None)
    if known is None or not Path(known).is_file():
        return None, OwnCode(source="code without a file", sha256="")
    file = Path(known).absolute()
    package = packages_distributions().get(made.__module__.partition(".")[0], [""])[0]
    source = f"{package} {version(package)}" if package else file.name
    return file, OwnCode(source=source, sha256=sha256_of(file))


def _shown(made: object) -> str:
    return getattr(made, "__name__", repr(made))
