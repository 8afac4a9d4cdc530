"""What a rater may know of a window before having voted on it: nothing that the model or others say."""

import numpy as np
import pandas as pd

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.web.library import Item, NotYetError, middle_s, middles_of
from ictal.web.votes import Votes

BLIND = "Vote first: what the model and others say of this window is told afterwards."


class Blinding:
    """Withholds what would lead a rater, until the vote is given.

    Parameters
    ----------
    votes
        That were given.
    wanted
        Whether anything is withheld at all.
    """

    def __init__(self, votes: Votes, *, wanted: bool) -> None:
        self._votes, self.wanted = votes, wanted

    def applies_to(self, rater: str | None) -> bool:
        """Say whether somebody votes without knowing what the model says; who names no rater only reads."""
        return self.wanted and rater is not None

    def withholds(self, item: Item, number: int, rater: str | None) -> bool:
        """Say whether somebody has to vote on a window before hearing what the model says of it."""
        return self.applies_to(rater) and middle_s(item, number) not in self._voted_times(item, rater)

    def check(self, item: Item, number: int, rater: str | None) -> None:
        """Raise a `NotYetError` where a window is withheld."""
        if self.withholds(item, number, rater):
            raise NotYetError(BLIND)

    def visible_scores(self, item: Item, rater: str | None) -> pd.DataFrame:
        """Return the scores without what the model says of windows on which a rater has not voted."""
        frame = item.frame.copy()
        voted = np.isin(middles_of(frame), list(self._voted_times(item, rater)))
        frame.loc[~voted, [*PROBABILITY_COLUMNS, "spread"]] = np.nan
        return frame

    def _voted_times(self, item: Item, rater: str | None) -> set[float]:
        return {vote.time_s for vote in self._votes.all(item.content, rater)}
