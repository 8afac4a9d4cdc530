"""The arms: the named models that an ablation compares."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ictal.core.settings import Settings
from ictal.errors import ModelError, UnknownNameError
from ictal.models.installed_arms import FAMILY, families, import_arm, installed_names


class OwnCode(Settings):
    """Where the code of an arm is that does not come with ictal, as cards and manifests record it.

    Attributes
    ----------
    source
        Name of the file, or name and version of the package.
    sha256
        Of the file that registers the arm; '' for code that is in no file.
    """

    source: str
    sha256: str

    @property
    def remedy(self) -> str:
        """What a user does where the arm is unknown."""
        if not self.sha256:
            return "define it again with @ictal.arm"
        if self.source.endswith(".py"):
            return f"give that file with --plugin {self.source} (in Python: ictal.load_plugin)"
        return "install that package"


@dataclass(frozen=True)
class Arm:
    """A named model.

    Attributes
    ----------
    name, summary
        Its name in tables, and one line about it.
    network
        Key of `ictal.models.build.NETWORKS`, for an arm that is trained.
    kind
        How it is trained: a 'network' by gradient descent; a 'regression' and an 'estimator' in one step.
    parts
        The arms whose probabilities are averaged, for an arm that is not trained itself.
    branches
        The arms that are trained first and whose networks become the branches of this one.
    sees_context
        Whether its network reads the ten minutes around a window instead of the window.
    weighted
        Whether the weights of its average are fitted to out-of-fold predictions, which only an ablation has.
    settings, training
        For an own arm: the class of its settings, which recipes have under `models.own`, and how it is trained
        unless the recipe says so.
    code, file, defined
        For an own arm: where its code is, the path of that file if there is one, and what defines its network there.
    """

    name: str
    summary: str
    network: str | None = None
    kind: Literal["network", "regression", "estimator"] = "network"
    parts: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    sees_context: bool = False
    weighted: bool = False
    settings: type[Settings] | None = None
    training: Settings | None = None
    code: OwnCode | None = None
    file: Path | None = None
    defined: str = ""

    @property
    def fitted(self) -> bool:
        """Whether it is fitted in one step, and not trained by gradient descent."""
        return self.kind != "network"

    @property
    def trained(self) -> tuple[str, ...]:
        """The arms to train for this one, in order."""
        return self.parts or (*self.branches, self.name)


ARMS = {
    arm.name: arm
    for arm in (
        Arm("temporal", "WaveNet on the waveforms of derivations", "wavenet"),
        Arm("spatial", "EfficientNet on mel spectrograms of the four chains", "efficientnet"),
        Arm("both", "the mean of the probabilities of temporal and spatial", parts=("temporal", "spatial")),
        Arm("features", "a logistic regression on 101 hand-made features of the waveforms", "features", "regression"),
        Arm("fusion", "both networks with one head, trained together from the start", "fusion"),
        Arm(
            "fusion-finetuned",
            "the trained networks of temporal and spatial under one new head, fine-tuned together",
            "fusion",
            branches=("temporal", "spatial"),
        ),
        Arm("volume", "a 3D network over time x electrode x frequency", "volume"),
        Arm("symmetric", "a small network for which left and right are alike", "symmetric"),
        Arm("context", "EfficientNet on the regional spectrogram of ten minutes", "context", sees_context=True),
        Arm("KE", "the mean of the probabilities of context and spatial", parts=("context", "spatial")),
        Arm("KR", "the mean of the probabilities of context and temporal", parts=("context", "temporal")),
        Arm("KER", "the mean of context, spatial and temporal", parts=("context", "spatial", "temporal")),
        Arm("SE", "the mean of the probabilities of symmetric and spatial", parts=("symmetric", "spatial")),
    )
}
"""All arms by name: those that come with ictal, and own arms once they are registered."""

ALIASES = {"K": "context", "E": "spatial", "R": "temporal", "ER": "both", "S": "symmetric"}
"""Names of the HMS competition's notebooks (K the 10-minute spectrogram, E the mel image, R the raw EEG), and S."""

WEIGHTED = "-weighted"
"""Suffix of an average whose weights are fitted."""

VARIANT = "+"
"""Separates the name of an arm from the changes of its training."""

BY_FILE = "an arm of your own, whose file --plugin gives"

Count = Annotated[int, Field(ge=1, le=100)]
Seeds = Count | dict[str, Count]
"""How many networks of each arm are averaged: one number for all, or by arm (an arm that is not named has one).

The bound is needed because a model folder may come from anyone, and networks are built before weights are read.
"""


def find_arm(name: str) -> Arm:
    """Return an arm by its name or alias.

    The name of an average may end in `WEIGHTED`. The name of an arm that is trained may be followed by a change of
    its training ('temporal+mirror').

    Raises
    ------
    UnknownNameError
        If there is no such arm; the message lists the known ones.
    """
    if name.endswith(WEIGHTED):
        return _weighted(name)
    base, *changes = name.split(VARIANT)
    base = ALIASES.get(base, base)
    arm = _registered(base)
    if arm is None or (changes and (arm.parts or arm.branches or arm.fitted)):
        raise UnknownNameError("arm", name, [*_names(), *(f"{one}{FAMILY}MODEL" for one in families()), BY_FILE])
    if not changes:
        return arm
    title = VARIANT.join((base, *changes))
    return replace(arm, name=title, summary=f"{base}, trained with {', '.join(changes)}")


def _registered(name: str) -> Arm | None:
    """Return an arm by its exact name; the package that has it is imported if that is needed."""
    if name not in ARMS:
        with all_or_none():
            imported = import_arm(name)
            if imported and name not in ARMS:
                raise ModelError(f"{imported} registers no arm with the name '{name}'")
    return ARMS.get(name)


def _names() -> list[str]:
    """Return the names of all arms, including those of installed packages that are not imported yet."""
    return list(dict.fromkeys([*ARMS, *installed_names()]))


def every_arm() -> list[Arm]:
    """Return all arms; packages that have arms are imported."""
    return [find_arm(name) for name in _names()]


def register(arm: Arm) -> None:
    """Add an own arm to `ARMS`; it replaces an earlier definition of itself, as when a notebook's cell runs again.

    Raises
    ------
    ModelError
        If its name is not allowed, or taken.
    """
    family, _, own = arm.name.rpartition(FAMILY)
    if not own.isidentifier() or not own.isascii() or (family and family not in families()):
        raise ModelError(
            f"an arm cannot be named '{arm.name}'; allowed are letters, digits and _, as in 'my_network'"
        )
    # Names are also names of folders, and some file systems do not distinguish capitals.
    again = arm.name in ARMS and ARMS[arm.name].defined == arm.defined
    taken = {known.casefold() for known in (*ARMS, *ALIASES, "all")}
    if not again and arm.name.casefold() in taken:
        raise ModelError(
            f"the name '{arm.name}' is taken by another arm; choose another. Taken are: {', '.join(ARMS)}"
        )
    ARMS[arm.name] = arm


@contextmanager
def all_or_none() -> Iterator[None]:
    """Undo what a block registers if it raises an error."""
    before = dict(ARMS)
    try:
        yield
    except BaseException:
        ARMS.clear()
        ARMS.update(before)
        raise


def own_code(names: Sequence[str]) -> dict[str, OwnCode]:
    """Return where the code of those arms is that do not come with ictal, by name; parts are included."""
    arms = (find_arm(name.partition(VARIANT)[0]) for name in trained_arms(names))
    return {arm.name: arm.code for arm in arms if arm.code}


def file_name(name: str) -> str:
    """Return a name as part of the name of a file; some file systems do not allow colons."""
    return name.replace(FAMILY, "-")


def _weighted(name: str) -> Arm:
    average = find_arm(name.removesuffix(WEIGHTED))
    if not average.parts:
        raise UnknownNameError("arm", name, weighted_averages())
    summary = f"{average.name}, with weights that were fitted on the other folds"
    return replace(average, name=average.name + WEIGHTED, summary=summary, weighted=True)


def weighted_averages() -> list[str]:
    """Return the names of all averages with fitted weights."""
    return [name + WEIGHTED for name, arm in ARMS.items() if arm.parts]


def refuse_weighted(name: str) -> None:
    """Raise an `UnknownNameError` for an average with fitted weights: it exists in ablations only."""
    if find_arm(name).weighted:
        raise UnknownNameError("arm", name, ARMS)


def trained_arms(names: Sequence[str]) -> list[str]:
    """Return the arms that must be trained to get all named ones, each once."""
    needed = (of_part for name in names for part in find_arm(name).trained for of_part in find_arm(part).trained)
    return list(dict.fromkeys(needed))


def networks_of(arm: str, seeds: Seeds) -> list[str]:
    """Return the names of the networks of one trained arm, one per seed."""
    n = seeds if isinstance(seeds, int) else seeds.get(arm, 1)
    return [f"{arm}-seed{number}" for number in range(n)] if n > 1 else [arm]


def members(name: str, seeds: Seeds = 1) -> dict[str, str]:
    """Return the networks whose mean a model is: the arm of each, by the network's name."""
    arm = find_arm(name)
    return {network: part for part in arm.parts or (arm.name,) for network in networks_of(part, seeds)}
