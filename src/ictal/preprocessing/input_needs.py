"""What a model needs from a recording: which voltages, and how much of each window."""

from collections.abc import Sequence
from dataclasses import dataclass

from ictal.core.montage import Derivation
from ictal.core.recording import Recording
from ictal.core.windows import WINDOW_S, Geometry, ShortPolicy
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import map_channels


@dataclass(frozen=True)
class Needs:
    """What one model, or each of several models, needs.

    Attributes
    ----------
    derivations
        Voltages from which the whole input can be formed; None: all 19 electrodes.
    seen_s
        How much of the middle of a window the model sees.
    interpolate
        At most this many missing electrodes are interpolated from the others.
    """

    derivations: tuple[Derivation, ...] | None = None
    seen_s: float = WINDOW_S
    interpolate: int = 0

    def map_channels(self, recording: Recording) -> ChannelMapping:
        """Return how the channels of a recording become electrodes, see `channel_mapping.map_channels`."""
        return map_channels(recording, self.derivations, self.interpolate)

    def geometry(self, short: ShortPolicy) -> Geometry:
        """Return which samples are needed for which 10 s."""
        return Geometry(self.seen_s, short)


ALL = Needs()
"""Enough for any model: the 19 electrodes, and 50 s."""


def needs_of_all(needs: Sequence[Needs]) -> Needs:
    """Return what several models need together."""
    voltages = [one.derivations for one in needs]
    derivations = None
    if all(one is not None for one in voltages):
        derivations = tuple(dict.fromkeys(pair for pairs in voltages for pair in pairs or ()))
    interpolate = min((one.interpolate for one in needs), default=0)
    return Needs(derivations, max((one.seen_s for one in needs), default=WINDOW_S), interpolate)
