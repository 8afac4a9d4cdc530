"""Digital scale of a channel: which voltage the numbers in an EDF or BDF file mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Recording
from ictal.errors import WriteError
from ictal.io.edf.header_fields import number

UNITS = {"uV": 1.0, "mV": 1e3, "V": 1e6}
"""Units in µV; the first in which the limits of a channel fit in the header is used."""
SPARE = 1e-3
"""Limits are rounded to about this part of the range."""
CLEAR = 2**-15
"""Limits are further from the voltages than this part of the range, so that no voltage looks clipped: `at_limits`."""
FINE_UV = 0.5
"""Steps above this are too coarse for EEG (IFCN standard for digital EEG, Nuwer et al. 1998)."""
LEAST_UV = 1e-6
"""The smallest limit, apart from 0, that 8 characters can state."""
SAME_STEPS = 0.1
"""Largest difference, in steps, between limits that count as the same."""


@dataclass(frozen=True)
class Scale:
    """Scale of a channel.

    Attributes
    ----------
    unit
        Physical dimension: 'uV', 'mV' or 'V'.
    physical
        Smallest and largest physical value, as the header states them.
    digital
        The corresponding digital values.
    """

    unit: str
    physical: tuple[str, str]
    digital: tuple[int, int]

    @property
    def limits_uv(self) -> tuple[float, float]:
        """Smallest and largest voltage."""
        low, high = (UNITS[self.unit] * float(text) for text in self.physical)
        return low, high

    @property
    def step_uv(self) -> float:
        """Voltage of one digital step."""
        low, high = self.limits_uv
        return (high - low) / (self.digital[1] - self.digital[0])

    @property
    def zero_uv(self) -> float:
        """Voltage of the digital value 0."""
        return self.limits_uv[0] - self.step_uv * self.digital[0]

    def holds(self, low: float, high: float) -> bool:
        """Return whether voltages between `low` and `high` can be stored."""
        return self.limits_uv[0] <= low < high <= self.limits_uv[1]


def digitise(
    samples: npt.NDArray[np.floating], scales: Sequence[Scale], bits: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return digital samples [channel, time], and how many of each channel were clipped."""
    steps, zeros = (np.array([[getattr(one, name)] for one in scales]) for name in ("step_uv", "zero_uv"))
    digital = np.rint((samples - zeros) / steps)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    clipped = ((digital < low) | (digital > high)).sum(axis=1)
    return np.clip(digital, low, high).astype(np.int32), clipped


def source_scale(recording: Recording, row: int, bits: int) -> Scale | None:
    """Return the scale that a channel has in its file, or None if it is unknown or needs more bits.

    A source of digital samples states their steps (`steps_uv`), and the recording states its limits.
    """
    steps = getattr(recording.source, "steps_uv", ())
    if not steps or not recording.limits_uv:
        return None
    low, high = recording.limits_uv[row]
    n_steps = round((high - low) / steps[row])
    if not 0 < n_steps < 2**bits:
        return None
    least = -((n_steps + 1) // 2)
    for unit, size in UNITS.items():
        try:
            scale = Scale(unit, (number(low / size), number(high / size)), (least, least + n_steps))
        except ValueError:
            continue
        off = (abs(one - other) for one, other in zip(scale.limits_uv, (low, high), strict=True))
        if max(off) <= SAME_STEPS * steps[row]:
            return scale
    return None


def fitting_scale(low: float, high: float, bits: int, name: str) -> Scale:
    """Return the finest scale for voltages between `low` and `high`, µV.

    If zero is among them, it is exact: the reference of a recording is recognized by it.

    Raises
    ------
    WriteError
        If the voltages are too large for the header.
    """
    around_zero = low <= 0 <= high or high - low < LEAST_UV
    if around_zero:
        high = max(abs(low), abs(high), LEAST_UV)
        low = -high
    clear = (high - low) * CLEAR
    finest = 10.0 ** math.floor(math.log10((high - low) * SPARE))
    for unit, size in UNITS.items():
        for grain in (finest / size * 10**power * wider for power in range(9) for wider in (1, 2, 5)):
            least, most = math.floor((low - clear) / size / grain), math.ceil((high + clear) / size / grain)
            scale = _stated(unit, (least * grain, most * grain), bits)
            if scale and scale.holds(low - clear, high + clear) and not (around_zero and scale.zero_uv):
                return scale
    raise WriteError(f"channel {name} has values from {low:g} to {high:g} µV, which EDF cannot state")


def _stated(unit: str, limits: tuple[float, float], bits: int) -> Scale | None:
    """Return the scale with these limits as a header can state them; None if they are too large."""
    most = 2 ** (bits - 1) - 1
    try:
        return Scale(unit, (number(limits[0]), number(limits[1])), (-most, most))
    except ValueError:
        return None
