"""How the regression on hand-made features is fitted."""

from typing import Annotated, ClassVar

from pydantic import Field

from ictal.core.settings import Settings


class RegressionSettings(Settings):
    """How an arm is fitted that is a regression.

    Attributes
    ----------
    penalties
        Strengths of the penalty on squared weights (ridge), of which that with the lowest KL in an inner
        cross-validation over training patients is used. The penalty is penalty / 2 x the sum of squared weights,
        beside the sum of the KL over EEGs.
    inner_folds
        Of that cross-validation.
    panel_weight
        As in `Stage`: a window weighs (panel size) ** panel_weight.
    """

    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    inner_folds: int = Field(5, ge=2)
    panel_weight: float = Field(0.5, ge=0, le=2)

    stream: ClassVar[None] = None
    """A regression needs all its windows at once."""
    micro_batch: ClassVar[None] = None
