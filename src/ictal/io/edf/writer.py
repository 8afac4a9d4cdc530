"""Write EDF+ files, which every EEG viewer reads."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import atomic_write
from ictal.core.montage import ELECTRODES
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording, Signal
from ictal.errors import WriteError, listed
from ictal.io.edf.header import MONTHS

STEP_UV = 0.1
DIGITAL = (-32768, 32767)
"""Range of 16-bit numbers: with steps of 0.1 µV, -3276.8 to 3276.7 µV."""
CHUNK_S = 60
"""Seconds read and written at a time."""
FIRST_START = datetime(1985, 1, 1)
"""The first start that EDF can state. It is written if the start is unknown or the date is out of range."""
YEARS = range(1985, 2085)
"""Years that EDF can state (EDF+ 2.1.3.2)."""
DATED, UNDATED = b"Startdate 01-JAN-1985 ", b"Startdate X "
"""Start of the recording field as pyedflib writes it for `FIRST_START`, and as EDF+ 2.1.3.4 requires it."""
RECORDING_FIELD = slice(88, 168)
"""Bytes of the recording field in the header."""
LONGEST_LABEL, LONGEST_TEXT = 16, 40
"""Characters of a channel label (EDF), and bytes of an annotation (pyedflib truncates longer ones)."""
MOST_PER_SECOND = 64
"""Annotations per second: pyedflib writes one per record and annotation channel, and allows 64 such channels."""


def write_edf(path: Path, recording: Recording, progress: Progress = silent) -> None:
    """Write a recording as EDF+C with its annotations, atomically and a minute at a time.

    Electrodes are labelled as 'EEG Fp1-REF'; other channels keep their names. Samples are rounded to 0.1 µV and
    clipped at -3276.8 and 3276.7 µV, as by an amplifier. EDF can state years from 1985 to 2084. Other dates are
    written as 01.01.85 and 'Startdate X' followed by the true date; an unknown date is written as 01.01.85 and
    'Startdate X'.

    Parameters
    ----------
    path
        The new file; an existing file is replaced.
    recording
        A recording of whole seconds, with a whole number of samples per second and no missing samples.
    progress
        Callback with the number of seconds written.

    Raises
    ------
    ValueError
        If EDF+ cannot store the recording; the message says what is allowed.
    WriteError
        If the file could not be written completely.
    """
    labels = _labels(recording)
    _check(recording)
    import pyedflib  # only needed for writing

    n_seconds = round(recording.duration_s)
    with atomic_write(path) as part:
        with pyedflib.EdfWriter(str(part), len(labels), pyedflib.FILETYPE_EDFPLUS) as writer:
            writer.setSignalHeaders([_header(label, round(recording.rate_hz)) for label in labels])
            start, stated = _stated_start(recording.start)
            writer.setStartdatetime(start)
            writer.setEquipment("ictal")
            writer.set_number_of_annotation_signals(-(-len(recording.annotations) // n_seconds))
            for note in recording.annotations:
                _succeed(writer.writeAnnotation(note.onset_s, note.duration_s, note.text), path)
            for second, record in enumerate(_records(recording)):
                _succeed(writer.blockWriteDigitalShortSamples(record), path)
                if second % CHUNK_S == 0:
                    progress("writing EDF", second, n_seconds)
        # Closing does not report failed writes; opening compares the size with the header.
        try:
            pyedflib.EdfReader(str(part), annotations_mode=pyedflib.DO_NOT_READ_ANNOTATIONS).close()
        except OSError as error:
            raise WriteError(f"{path}: could not be written completely; is the disk full?") from error
        if not stated:
            _undate(part, recording.start)
    progress("writing EDF", n_seconds, n_seconds)


def _stated_start(start: datetime | None) -> tuple[datetime, bool]:
    """Return the start for the header, in whole seconds, and whether its date is the true one."""
    if start is None:
        return FIRST_START, False
    start = start.replace(tzinfo=None, microsecond=0)
    if start.year in YEARS:
        return start, True
    return start.replace(year=FIRST_START.year, month=FIRST_START.month, day=FIRST_START.day), False


def _undate(path: Path, start: datetime | None) -> None:
    """Mark the date in the header as unknown, and add the true date, if known, after the subfields of EDF+."""
    with path.open("r+b") as file:
        file.seek(RECORDING_FIELD.start)
        field = file.read(RECORDING_FIELD.stop - RECORDING_FIELD.start)
        text = UNDATED + field.removeprefix(DATED).rstrip()
        if start is not None:
            text += f" started_{start.day:02}-{MONTHS[start.month - 1]}-{start.year:04}".encode()
        file.seek(RECORDING_FIELD.start)
        file.write(text.ljust(len(field)))


def _labels(recording: Recording) -> list[str]:
    stated = recording.references or ("",) * len(recording.channels)
    several = len({text for name, text in zip(recording.channels, stated, strict=True) if name in ELECTRODES}) > 1
    labels = [
        f"EEG {name}-{(several and text) or 'REF'}" if name in ELECTRODES else name
        for name, text in zip(recording.channels, stated, strict=True)
    ]
    wrong = [name for name in labels if len(name) > LONGEST_LABEL or not name.isascii() or not name.isprintable()]
    if wrong:
        raise ValueError(
            f"{recording.name}: EDF cannot store the channel names {listed(wrong)}; allowed are up to "
            f"{LONGEST_LABEL} ASCII characters"
        )
    if len(set(labels)) < len(labels):
        raise ValueError(f"{recording.name} has two channels with the same name: {listed(recording.channels, 40)}")
    return labels


def _check(recording: Recording) -> None:
    name, rate_hz = recording.name, recording.rate_hz
    if rate_hz != round(rate_hz):
        raise ValueError(f"{name} has {rate_hz:g} Hz; allowed is a whole number of samples per second")
    if recording.n_samples == 0 or recording.n_samples % round(rate_hz):
        raise ValueError(f"{name} lasts {recording.duration_s:g} s; allowed are whole seconds, at least 1")
    if len(recording.annotations) > MOST_PER_SECOND * recording.duration_s:
        raise ValueError(
            f"{name} has {len(recording.annotations)} annotations; allowed are {MOST_PER_SECOND} per second"
        )
    for note in recording.annotations:
        if len(note.text.encode()) > LONGEST_TEXT:
            raise ValueError(f"{name}: annotation '{note.text}' is too long; allowed are {LONGEST_TEXT} bytes")
        if not 0 <= note.onset_s <= recording.duration_s:
            raise ValueError(
                f"{name}: annotation '{note.text}' is at {note.onset_s:g} s; allowed is 0 to "
                f"{recording.duration_s:g} s"
            )


def _header(label: str, rate_hz: int) -> dict[str, Any]:
    low, high = DIGITAL
    return {
        "label": label,
        "dimension": "uV",
        "sample_frequency": rate_hz,
        "physical_min": round(low * STEP_UV, 1),
        "physical_max": round(high * STEP_UV, 1),
        "digital_min": low,
        "digital_max": high,
    }


def _records(recording: Recording) -> Iterator[npt.NDArray[np.int16]]:
    """Yield the digital samples of each second, channel after channel."""
    rate_hz = round(recording.rate_hz)
    for start in range(0, recording.n_samples, CHUNK_S * rate_hz):
        stop = min(start + CHUNK_S * rate_hz, recording.n_samples)
        digital = _digital(recording.read(start, stop), recording, start)
        for record in digital.reshape(len(digital), -1, rate_hz).swapaxes(0, 1):
            yield record.ravel()


def _digital(samples: Signal, recording: Recording, start: int) -> npt.NDArray[np.int16]:
    missing = np.argwhere(~np.isfinite(samples))
    if len(missing):
        channel, sample = missing[0]
        raise ValueError(
            f"{recording.name}: {recording.channels[channel]} has no value at "
            f"{(start + sample) / recording.rate_hz:g} s; EDF cannot mark missing samples: fill them first"
        )
    return np.clip(np.rint(samples.astype(np.float64) / STEP_UV), *DIGITAL).astype(np.int16)


def _succeed(code: int, path: Path) -> None:
    if code != 0:
        raise WriteError(f"{path}: could not be written (pyedflib's code {code}); is the disk full?")
