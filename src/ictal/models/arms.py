"""The arms: the named models that an ablation compares."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from ictal.errors import UnknownNameError


@dataclass(frozen=True)
class Arm:
    """A named model.

    Attributes
    ----------
    name, summary
        Its name in tables, and one line about it.
    network
        Key of `ictal.models.build.NETWORKS`, for an arm that is trained.
    parts
        The arms whose probabilities are averaged, for an arm that is not trained itself.
    branches
        The arms that are trained first and whose networks become the branches of this one.
    sees_context
        Whether its network reads the ten minutes around a window instead of the window.
    weighted
        Whether the weights of its average are fitted to out-of-fold predictions, which only an ablation has.
    fitted
        Whether it is a regression, fitted in one step, and not a network that is trained by gradient descent.
    """

    name: str
    summary: str
    network: str | None = None
    parts: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    sees_context: bool = False
    weighted: bool = False
    fitted: bool = False

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
        Arm("features", "a logistic regression on 101 hand-made features of the waveforms", "features", fitted=True),
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
"""All arms by name."""

ALIASES = {"K": "context", "E": "spatial", "R": "temporal", "ER": "both", "S": "symmetric"}
"""Names of the HMS competition's notebooks (K the 10-minute spectrogram, E the mel image, R the raw EEG), and S."""

WEIGHTED = "-weighted"
"""Suffix of an average whose weights are fitted."""

VARIANT = "+"
"""Separates the name of an arm from the changes of its training."""

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
    fixed = base in ARMS and (ARMS[base].parts or ARMS[base].branches or ARMS[base].fitted)
    if base not in ARMS or (changes and fixed):
        raise UnknownNameError("arm", name, ARMS)
    if not changes:
        return ARMS[base]
    title = VARIANT.join((base, *changes))
    return replace(ARMS[base], name=title, summary=f"{base}, trained with {', '.join(changes)}")


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
