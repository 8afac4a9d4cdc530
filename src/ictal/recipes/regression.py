"""Settings of arms that are fitted in one step: a regression, or an estimator, on hand-made features."""

from typing import Annotated, ClassVar

from pydantic import Field

from ictal.core.settings import Settings


class FittedSettings(Settings):
    """How an arm is fitted to all its windows at once, as an own estimator is.

    Attributes
    ----------
    panel_weight
        As in `Stage`: a window has the weight (panel size) ** panel_weight.
    """

    panel_weight: float = Field(0.5, ge=0, le=2)

    stream: ClassVar[None] = None
    only_streams: ClassVar[bool] = False
    """Such a fit needs all its windows at once, so it has neither a stream nor batches."""
    micro_batch: ClassVar[None] = None


class RegressionSettings(FittedSettings):
    """How the regression of an arm is fitted.

    Attributes
    ----------
    penalties
        Candidate strengths of the ridge penalty; the one with the lowest KL in an inner cross-validation over the
        training patients is used. The loss is the sum of the KL over EEGs + penalty / 2 x the sum of squared weights.
    inner_folds
        Number of folds of that cross-validation.
    """

    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    inner_folds: int = Field(5, ge=2)
