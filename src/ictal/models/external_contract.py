"""The contract of an external model: a network from elsewhere, its input and its output. Read without torch."""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import Field, field_validator, model_validator

from ictal.core.atomic_files import write_text
from ictal.core.labels import OTHER, PATTERNS
from ictal.core.montage import CHANNELS, ELECTRODES, MONTAGES, N_CHANNELS, derivation, derivations_of, electrode
from ictal.core.settings import Settings
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import IctalError, listed
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.hub import CONTRACT, ModelSummary
from ictal.preprocessing.settings import StandardiseSettings

GROUPS = {
    "electrodes": ELECTRODES,
    **{name: tuple(map(str, derivations_of(chains))) for name, chains in MONTAGES.items()},
}
"""Names that stand for several channels: the 19 electrodes in the order of `ELECTRODES`, and montages."""
MAX_RATE_HZ = 1000


class ViewSettings(Settings):
    """An image that ictal computes from a window, as for its own networks; this needs the extra 'train'.

    Attributes
    ----------
    name
        'spectrogram' or 'volume'.
    settings
        Those of the view, see `SpectrogramSettings` and `VolumeSettings`, without `seconds`.
    """

    name: Literal["spectrogram", "volume"]
    settings: dict[str, Any] = Field(default_factory=dict)


class InputSettings(Settings):
    """The array that an external model takes, and how it is computed from standardised EEG.

    Voltages are in µV. They are clipped to +-`clip_uv`, divided by `scale_uv`, normalised, and clipped to +-`clip`,
    in this order.

    Attributes
    ----------
    channels
        In the model's order: derivations ('Fp1-F7'), electrodes ('Fp1') or 'EKG'; or one of 'electrodes' (all 19),
        'double_banana' (18 derivations) and 'long_chains' (8). The old names (T3, T4, T5, T6) and the new ones (T7,
        T8, P7, P8) mean the same.
    reference
        Of single electrodes: the 'average' of the 19 electrodes, or as 'recorded'. It has no effect on derivations.
    rate_hz, seconds
        Sampling rate, and length of the model's window, at most 50 s.
    labelled_s
        Start and end, within that window, of the part that the model's output describes; None: its middle. Scores
        concern the 10 s around the middle of this part.
    clip_uv, scale_uv
        See above; without `clip_uv`, nothing is clipped.
    normalise, over
        'zscore': minus mean, divided by standard deviation. 'robust': minus median, divided by interquartile range.
        'percentile95': divided by the 95th percentile of absolute values. Computed for each 'channel' of a window, or
        over the whole 'window'.
    clip
        See above.
    view
        Give the model an image that ictal computes, instead of voltages, see `ViewSettings`. Of the keys above, only
        `seconds` and `labelled_s` then apply.
    layout
        Order of the axes of the array, in the notation of einops: 'batch channel time', 'batch time channel',
        'batch 1 channel time', ... The axes of a spectrogram are chain, mel and time; those of a volume are time,
        derivation and frequency with the layout 'line', and frequency, time, row and column with 'grid'.
    """

    channels: tuple[str, ...] = ()
    reference: Literal["average", "recorded"] = "average"
    rate_hz: float = Field(RATE_HZ, ge=1, le=MAX_RATE_HZ)
    seconds: float = Field(WINDOW_S, gt=0, le=WINDOW_S)
    labelled_s: tuple[float, float] | None = None
    clip_uv: float | None = Field(None, gt=0)
    scale_uv: float = Field(1.0, gt=0)
    normalise: Literal["none", "zscore", "robust", "percentile95"] = "none"
    over: Literal["channel", "window"] = "channel"
    clip: float | None = Field(None, gt=0)
    view: ViewSettings | None = None
    layout: str = "batch channel time"

    @field_validator("channels", mode="before")
    @classmethod
    def _channels_are_known(cls, value: object) -> object:
        names = GROUPS.get(value) if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            raise ValueError(f"is '{value}'; allowed are a list of channels, {', '.join(GROUPS)}")  # noqa: TRY004
        try:
            return tuple(_channel(str(name)) for name in names)
        except IctalError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.view is not None:
            given = self.model_fields_set - {"view", "layout", "seconds", "labelled_s"}
            if given:
                raise ValueError(f"view: ictal computes the whole image, so {listed(sorted(given))} cannot be set")
            if "seconds" in self.view.settings:
                raise ValueError("view.settings.seconds: state it as input.seconds")
        elif not self.channels:
            raise ValueError("channels: at least one is needed, unless the model takes a 'view'")
        twice = sorted({name for name in self.channels if self.channels.count(name) > 1})
        if twice:
            raise ValueError(f"channels: {listed(twice)} listed twice")
        n_samples = self.seconds * self.rate_hz
        if abs(n_samples - round(n_samples)) > 1e-6:
            raise ValueError(
                f"{self.seconds:g} s at {self.rate_hz:g} Hz are {n_samples:g} samples, not a whole number"
            )
        begin, end = self.labelled_s or (0.0, self.seconds)
        if not 0 <= begin < end <= self.seconds:
            raise ValueError(
                f"labelled_s is {self.labelled_s}; allowed are a start and an end in 0 to {self.seconds:g}"
            )
        if self.seen_s > WINDOW_S:
            raise ValueError(
                f"labelled_s is {self.labelled_s}: the model would see {self.seen_s / 2:g} s on one side of its "
                f"middle; allowed are up to {WINDOW_S // 2} s"
            )
        return self

    @property
    def n_samples(self) -> int:
        """Samples per channel of the array."""
        return round(self.seconds * self.rate_hz)

    @property
    def before_s(self) -> float:
        """Seconds from the start of the model's window to the middle of the labelled part."""
        begin, end = self.labelled_s or (0.0, self.seconds)
        return (begin + end) / 2

    @property
    def seen_s(self) -> float:
        """Length of the part in the middle of our 50 s that contains the model's window."""
        return 2 * max(self.before_s, self.seconds - self.before_s)

    @property
    def matrix(self) -> npt.NDArray[np.float32]:
        """The matrix [channel, 20] that turns electrodes (`CHANNELS`) into the model's channels."""
        return np.array([self._row(name) for name in self.channels], dtype=np.float32).reshape(-1, N_CHANNELS)

    def _row(self, name: str) -> npt.NDArray[np.float64]:
        row = np.zeros(N_CHANNELS)
        anode, _, cathode = name.partition("-")
        row[CHANNELS.index(anode)] = 1
        if cathode:
            row[CHANNELS.index(cathode)] -= 1
        elif anode in ELECTRODES and self.reference == "average":
            row[: len(ELECTRODES)] -= 1 / len(ELECTRODES)
        return row


class OutputSettings(Settings):
    """What an external model returns for each window.

    Attributes
    ----------
    values
        'logits' (a softmax makes them probabilities; of a single output, a sigmoid) or 'probabilities'.
    patterns
        The pattern of each output, in the model's order; 'other' must be among them. Or one pattern alone: the model
        then tells it from everything else, which counts as other.
    """

    values: Literal["logits", "probabilities"]
    patterns: tuple[str, ...] = Field(min_length=1)

    @field_validator("patterns")
    @classmethod
    def _patterns_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = tuple(name.lower() for name in value)
        if unknown := [name for name in names if name not in PATTERNS]:
            raise ValueError(f"{listed(unknown)} unknown; allowed are {', '.join(PATTERNS)}")
        if len({*names}) < len(names):
            raise ValueError(f"is {', '.join(names)}; each pattern must occur once")
        if len(names) > 1 and "other" not in names:
            raise ValueError(
                f"is {', '.join(names)}; several outputs are shares of all EEG, so 'other' must be among them"
            )
        if names == ("other",):
            raise ValueError("is other alone; allowed is a pattern alone, or several with other")
        return names

    @property
    def known(self) -> tuple[str, ...]:
        """The patterns with a probability, in the order of `PATTERNS`."""
        return tuple(name for name in PATTERNS if name in (*self.patterns, "other"))

    def probabilities(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the probabilities [window, 6] of what a model returned, [window, output]; 0 for unknown patterns."""
        if self.values == "logits":
            from scipy.special import softmax  # takes a fifth of a second, which 'ictal info' does not need

            padded = np.hstack([values, np.zeros_like(values)]) if len(self.patterns) == 1 else values
            values = softmax(padded, axis=1)
        found = np.zeros((len(values), len(PATTERNS)))
        for column, name in enumerate(self.patterns):
            found[:, PATTERNS.index(name)] = values[:, column]
        if len(self.patterns) == 1:
            found[:, OTHER] = 1 - values[:, 0]
        return found


class ExternalContract(ModelSummary):
    """An external model: the part that people read, its input, its output, and what was recorded about it.

    Attributes
    ----------
    standardise
        How recordings become EEG at 200 Hz; `band_hz` must be stated, since no default suits every model.
    input, output
        See the classes.
    calibration
        Of the probabilities, fitted by `ictal calibrate`.
    """

    model_config = Settings.model_config

    standardise: StandardiseSettings
    input: InputSettings
    output: OutputSettings
    calibration: CalibrationSettings = NO_CALIBRATION

    seed: ClassVar[int] = 0
    """External models are not trained here; their rows in tables of predictions have this seed."""

    @field_validator("standardise")
    @classmethod
    def _band_is_stated(cls, value: StandardiseSettings) -> StandardiseSettings:
        if "band_hz" not in value.model_fields_set:
            raise ValueError(
                "band_hz is missing: state the band-pass in Hz with which the model was trained, or null"
            )
        return value

    def to_yaml(self) -> str:
        """Return the contract as YAML, without keys that have their default."""
        content = self.model_dump(mode="json", exclude_unset=True)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)

    def write(self, folder: Path) -> None:
        """Write the contract into a model's folder."""
        write_text(folder / CONTRACT, self.to_yaml())


def _channel(name: str) -> str:
    return str(derivation(name)) if "-" in name else electrode(name)
