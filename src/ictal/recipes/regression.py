"""Settings of the regression on hand-crafted features."""

from typing import Annotated, ClassVar

from pydantic import Field

from ictal.core.settings import Settings


class RegressionSettings(Settings):
    """How the regression of an arm is fitted.

    Attributes
    ----------
    penalties
        Candidate strengths of the ridge penalty; the one with the lowest KL in an inner cross-validation over the
        training patients is used. The loss is the sum of the KL over EEGs + penalty / 2 x the sum of squared weights.
    inner_folds
        Number of folds of that cross-validation.
    panel_weight
        As in `Stage`: a window has the weight (panel size) ** panel_weight.
    """

    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    inner_folds: int = Field(5, ge=2)
    panel_weight: float = Field(0.5, ge=0, le=2)

    stream: ClassVar[None] = None
    only_streams: ClassVar[bool] = False
    """A regression needs all its windows at once, so it has neither a stream nor batches."""
    micro_batch: ClassVar[None] = None
