"""Open an EDF or BDF file as a recording: choose signals, convert units, find gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Annotation, Recording, Signal
from ictal.errors import ReadError, listed
from ictal.io.channel_choice import OTHER_RATE, are_scalp, scalp_rate
from ictal.io.edf.header import CHUNK_BYTES, EdfFile, EdfSignal
from ictal.io.times import Times, find_joins, layout_of

UNITS_UV = {"uv": 1.0, "microv": 1.0, "microvolt": 1.0, "mv": 1e3, "v": 1e6, "nv": 1e-3}
"""µV of one unit, in lower case and with u for micro."""
STIMULI = ("status", "trigger", "stim", "sti 014")
"""Labels, in lower case, of signals with codes instead of voltages."""
KINDS = ("eeg", "ecg", "eog", "erg", "emg", "meg", "mcg", "ep", "temp", "resp", "sao2", "light", "sound")
"""Signal types at the start of labels such as 'EEG Fp1-REF' (EDF+ texts, table of signal types)."""
MAX_RATE_HZ = 1e5
LARGEST = 1e12
"""Limit of physical and digital values; beyond it, float32 would overflow."""


@dataclass(frozen=True)
class EdfSource:
    """Samples of an EDF or BDF file, µV.

    Attributes
    ----------
    file
        The file.
    signals
        The signals to read; all have the same number of samples per record.
    gains, shifts
        Per signal: µV = gain * digital + shift.
    """

    file: EdfFile
    signals: tuple[EdfSignal, ...]
    gains: tuple[float, ...]
    shifts: tuple[float, ...]

    @property
    def steps_uv(self) -> tuple[float, ...]:
        """Voltage of one digital step, per channel."""
        return tuple(map(abs, self.gains))

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time]."""
        per_record = self.signals[0].n_samples
        chosen = range(len(self.signals)) if rows is None else rows
        samples = np.empty((len(chosen), max(stop - start, 0)), dtype=np.float32)
        step = max(1, CHUNK_BYTES // self.file.record_bytes)
        for first in range(start // per_record, -(-stop // per_record), step):
            records = self.file.records(first, min(step, -(-stop // per_record) - first))
            begin = first * per_record
            low, high = max(start, begin), min(stop, begin + len(records) * per_record)
            for row, number in enumerate(chosen):
                digital = self._digital(records, self.signals[number])[low - begin : high - begin]
                samples[row, low - start : high - start] = digital * self.gains[number] + self.shifts[number]
        return samples

    def _digital(self, records: npt.NDArray[np.uint8], signal: EdfSignal) -> npt.NDArray[np.int16 | np.int32]:
        width = self.file.bytes_per_sample
        block = records[:, signal.offset * width : (signal.offset + signal.n_samples) * width]
        if width == 2:
            return np.ascontiguousarray(block).view("<i2").ravel()
        # The three bytes become the upper bytes of four; the shift then extends the sign.
        wide = np.zeros((block.size // 3, 4), dtype=np.uint8)
        wide[:, 1:] = block.reshape(-1, 3)
        return wide.view("<i4").ravel() >> 8


def read_edf(path: Path, units: Mapping[str, str] | None = None) -> Recording:
    """Open an EDF, EDF+ or BDF file, recognized by its content and not its suffix.

    Parameters
    ----------
    path
        The file.
    units
        Units by label, for signals whose unit in the file is not a voltage.

    Raises
    ------
    ReadError
        If it is not an EDF or BDF file, is truncated within the header, has an invalid required number, or the unit
        of an electrode is unknown. Overlapping records are a doubt.
    """
    return recording_of(EdfFile.open(path), units)


def recording_of(file: EdfFile, units: Mapping[str, str] | None = None) -> Recording:
    """Return the recording in a file that was opened; see `read_edf`."""
    rate_hz, signals, notes = _choose(file, units or {})
    per_record = signals[0].n_samples
    times = _times(file)
    start_s = float(file.onsets_s[0])
    source, limits = _source(file, signals, units or {})
    return Recording(
        str(file.path),
        tuple(signal.label for signal in signals),
        rate_hz,
        file.n_records * per_record,
        source,
        file.start,
        layout_of(file.n_records * per_record, rate_hz, times.joins).gaps,
        tuple(Annotation(note.onset_s - start_s, note.duration_s, note.text) for note in file.annotations),
        limits,
        tuple(kind_of(signal.label) for signal in signals),
        (*file.notes, *notes, *times.all_notes),
        times.doubts,
    )


def unit_uv(dimension: str) -> float | None:
    """Return the size of a unit in µV, or None if it is not a known voltage.

    Before a V, any non-ASCII character means micro, since µ has many encodings. So does a question mark.
    """
    text = dimension.strip().lower()
    prefix = text.removesuffix("v")
    if prefix != text and prefix and all(letter == "?" or not letter.isascii() for letter in prefix):
        text = "uv"
    return UNITS_UV.get(text)


def _choose(file: EdfFile, units: Mapping[str, str]) -> tuple[float, tuple[EdfSignal, ...], list[str]]:
    """Return the sampling rate, the voltage signals with that rate, and notes why other signals are left out."""
    signals = [signal for signal in file.signals if signal.n_samples and _is_signal(signal)]
    if not signals:
        raise ReadError(f"{file.path}: has no signals except {listed(signal.label for signal in file.signals)}")
    labels = [signal.label for signal in signals]
    per_record = int(scalp_rate(labels, [signal.n_samples for signal in signals]))
    rate_hz = per_record / file.record_s
    if rate_hz > MAX_RATE_HZ:
        raise ReadError(f"{file.path}: states {rate_hz:g} samples per second; allowed are {MAX_RATE_HZ:g}")
    scalp = zip(signals, are_scalp(labels), strict=True)
    _check_units(
        [signal for signal, is_scalp in scalp if is_scalp and signal.n_samples == per_record], units, file.path
    )
    chosen: dict[str, list[str]] = {}
    for signal in signals:
        chosen.setdefault(_why_not(signal, per_record, units), []).append(signal.label)
    notes = [f"left out because they {why}: {listed(names)}" for why, names in chosen.items() if why]
    if "" not in chosen:
        raise ReadError(f"{file.path}: no signal can be used; {'; '.join(notes)}")
    return rate_hz, tuple(signal for signal in signals if not _why_not(signal, per_record, units)), notes


def _check_units(scalp: Sequence[EdfSignal], units: Mapping[str, str], path: Path) -> None:
    unknown = [signal for signal in scalp if unit_uv(_dimension(signal, units)) is None]
    if unknown:
        names, stated = listed(signal.label for signal in unknown), _dimension(unknown[0], units)
        raise ReadError(
            f"{path}: the voltages of {names} are unknown: their unit is '{stated}'; allowed are uV, mV, V and nV"
        )


def _is_signal(signal: EdfSignal) -> bool:
    return not signal.is_annotation and signal.label.lower() not in STIMULI


def _dimension(signal: EdfSignal, units: Mapping[str, str]) -> str:
    return signal.dimension if unit_uv(signal.dimension) else units.get(signal.label, signal.dimension)


def _why_not(signal: EdfSignal, per_record: int, units: Mapping[str, str]) -> str:
    if signal.n_samples != per_record:
        return OTHER_RATE
    if unit_uv(_dimension(signal, units)) is None:
        return "are not voltages"
    return "" if _has_range(signal) else "have no valid range of values"


def kind_of(label: str) -> str:
    """Return the type at the start of a label, in lower case; '' if it states none."""
    first = label.lower().split(" ")[0]
    return first if first in KINDS else ""


def _has_range(signal: EdfSignal) -> bool:
    """Return whether digital values can be converted: no number is missing, and no range is empty or too large."""
    (low, high), (least, most) = signal.physical, signal.digital
    return low != high and abs(most - least) >= 1 and all(abs(value) < LARGEST for value in (low, high, least, most))


def _source(
    file: EdfFile, signals: tuple[EdfSignal, ...], units: Mapping[str, str]
) -> tuple[EdfSource, tuple[tuple[float, float], ...]]:
    """Return the source of the samples, and the smallest and largest voltage of each signal."""
    gains, shifts, limits = [], [], []
    for signal in signals:
        scale = unit_uv(_dimension(signal, units)) or 1.0
        low, high = (scale * value for value in signal.physical)
        gain = (high - low) / (signal.digital[1] - signal.digital[0])
        gains.append(gain)
        shifts.append(low - gain * signal.digital[0])
        limits.append((min(low, high), max(low, high)))
    return EdfSource(file, signals, tuple(gains), tuple(shifts)), tuple(limits)


def _times(file: EdfFile) -> Times:
    """Return a join for each record that starts later or earlier than the previous one ends."""
    onsets = file.onsets_s
    joins = find_joins(file.record_s * np.arange(file.n_records), onsets)
    note = "its records state overlapping times; since it is marked as continuous, these times are ignored"
    return Times(joins, notes=(note,) if file.contradicts_itself else ())
