"""Blinding: raters do not see the model's predictions or other votes on a window before they have voted on it."""

import numpy as np
import pandas as pd

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.web.library import Item, NotYetError, middle_s, middles_of
from ictal.web.votes import Votes

BLIND = "Vote first: the model's prediction and other votes are shown afterwards."


class Blinding:
    """Withholds predictions from a rater until the vote is given.

    Parameters
    ----------
    votes
        The votes so far.
    wanted
        Whether raters are blinded at all.
    """

    def __init__(self, votes: Votes, *, wanted: bool) -> None:
        self._votes, self.wanted = votes, wanted

    def applies_to(self, rater: str | None) -> bool:
        """Return whether a user is a blinded rater; None is a user who does not vote."""
        return self.wanted and rater is not None

    def withholds(self, item: Item, number: int, rater: str | None) -> bool:
        """Return whether a rater must vote on a window before seeing its prediction."""
        return self.applies_to(rater) and middle_s(item, number) not in self._voted_times(item, rater)

    def check(self, item: Item, number: int, rater: str | None) -> None:
        """Raise a `NotYetError` if a window is withheld."""
        if self.withholds(item, number, rater):
            raise NotYetError(BLIND)

    def visible_scores(self, item: Item, rater: str | None) -> pd.DataFrame:
        """Return the scores, without predictions for windows on which the rater has not voted."""
        frame = item.frame.copy()
        voted = np.isin(middles_of(frame), list(self._voted_times(item, rater)))
        frame.loc[~voted, [*PROBABILITY_COLUMNS, "spread"]] = np.nan
        return frame

    def _voted_times(self, item: Item, rater: str | None) -> set[float]:
        return {vote.time_s for vote in self._votes.all(item.content, rater)}
