"""Write EDF+ and BDF+ files, which every EEG viewer reads, in constant memory.

Source: Kemp and Olivan 2003, "European data format 'plus'"; comments cite its clauses. pyEDFlib and edfio cannot
write gaps (EDF+D), and edfio holds the whole file in memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import atomic_write
from ictal.core.montage import ELECTRODES
from ictal.core.progress import Progress, silent
from ictal.core.recording import Annotation, FileRun, Recording, Signal
from ictal.errors import WriteError, listed
from ictal.io.edf.annotation_lists import AnnotationSignal, annotation_list, longest_time, record_time
from ictal.io.edf.dates import FIRST_DAY, date_text
from ictal.io.edf.header import BDF_MAGIC, EDF_MAGIC, FIELDS, MAIN_BYTES, SIGNAL_BYTES
from ictal.io.edf.header_fields import header_field
from ictal.io.edf.records import Records, choose_records
from ictal.io.edf.scales import Scale, digitise
from ictal.io.edf.survey import chunks

TASK = "writing EDF"
AMPLIFIER = Scale("uV", ("-3276.8", "3276.7"), (-32768, 32767))
"""Steps of 0.1 µV."""
FIRST_START = datetime.combine(FIRST_DAY, time())
"""The first start that EDF can state. It is written if the start is unknown or the date is out of range."""
YEARS = range(1985, 2085)
"""Years that EDF can state (EDF+ 2.1.3.2)."""


@dataclass(frozen=True)
class EdfPlan:
    """What is written of a recording, and how.

    Attributes
    ----------
    bits
        16 in EDF, 24 in BDF.
    rows
        The channels of the recording that are written.
    labels, scales
        Of these channels.
    records
        The records, and the samples that fill them.
    annotations
        Times in seconds from the start of the recording, gaps included.
    fill_uv
        Voltage of missing samples before the first value of each channel; later ones repeat the last value. None:
        missing samples are an error.
    """

    bits: int
    rows: tuple[int, ...]
    labels: tuple[str, ...]
    scales: tuple[Scale, ...]
    records: Records
    annotations: tuple[Annotation, ...] = ()
    fill_uv: npt.NDArray[np.floating] | None = None

    @property
    def kind(self) -> str:
        """'EDF+C', 'EDF+D', 'BDF+C' or 'BDF+D'."""
        return f"{'EDF' if self.bits == 16 else 'BDF'}+{'D' if len(self.records.runs) > 1 else 'C'}"


def write_edf(path: Path, recording: Recording, progress: Progress = silent) -> None:
    """Write a recording as an amplifier would, with its annotations, atomically and a minute at a time.

    Electrodes are labelled as 'EEG Fp1-REF'; other channels keep their names. Samples are rounded to 0.1 µV and
    clipped at -3276.8 and 3276.7 µV. `ictal.convert` chooses steps and limits by the samples.

    Parameters
    ----------
    path
        The new file; an existing file is replaced.
    recording
        A recording without missing samples, whose runs fill records.
    progress
        Callback with the number of seconds written.

    Raises
    ------
    WriteError
        If EDF+ cannot store all of the recording, or the file cannot be written.
    """
    labels = tuple(f"EEG {name}-REF" if name in ELECTRODES else name for name in recording.channels)
    wrong = [name for name in labels if len(name) > FIELDS["label"] or not name.isascii() or not name.isprintable()]
    if wrong:
        raise WriteError(
            f"{recording.name}: EDF cannot store the channel names {listed(wrong)}; allowed are up to "
            f"{FIELDS['label']} ASCII characters"
        )
    records = choose_records(recording.runs, recording.rate_hz, 2 * len(labels), 0, recording.name)
    if records.lost or records.drift_s:
        raise WriteError(
            f"{recording.name}: {recording.n_samples} samples at {recording.rate_hz:g} Hz do not fill records"
        )
    rows, scales = tuple(range(len(labels))), (AMPLIFIER,) * len(labels)
    write_plan(path, recording, EdfPlan(16, rows, labels, scales, records, recording.annotations), progress)


def write_plan(path: Path, recording: Recording, plan: EdfPlan, progress: Progress = silent) -> npt.NDArray[np.int64]:
    """Write what a plan says, atomically and a minute at a time.

    Returns
    -------
    ndarray of shape (n_channels,)
        How many samples were clipped.

    Raises
    ------
    WriteError
        If the file cannot be written, or there are missing samples that the plan does not allow.
    """
    records, width = plan.records, plan.bits // 8
    start, late_s = _start(recording.start, records.runs[0].onset_s)
    notes = sorted(plan.annotations, key=lambda note: note.onset_s)
    lists = [annotation_list(note, late_s - records.runs[0].onset_s) for note in notes]
    last = records.runs[-1]
    end_s = late_s + last.onset_s + (last.stop - last.start) / recording.rate_hz
    texts = AnnotationSignal.of(lists, records.n_records, longest_time(end_s), width)
    clipped = np.zeros(len(plan.rows), dtype=np.int64)
    with atomic_write(path) as part, part.open("wb") as file:
        file.write(_header(plan, start, texts.n_bytes // width))
        done = 0
        for samples, times in _chunks(recording, plan, late_s):
            progress(TASK, done * records.n_samples / recording.rate_hz, recording.duration_s)
            digital, beyond = digitise(samples, plan.scales, plan.bits)
            clipped += beyond
            blocks = digital.reshape(len(digital), -1, records.n_samples).swapaxes(0, 1)
            file.write(np.hstack([_bytes(blocks, plan.bits), texts.fill(done, times)]).data)
            done += len(times)
    progress(TASK, recording.duration_s, recording.duration_s)
    return clipped


def _start(start: datetime | None, first_s: float) -> tuple[datetime | None, float]:
    """Return the start of the first record in whole seconds, and how much later the record starts (EDF+ 2.2.4)."""
    if start is None:
        return None, 0.0
    first = start.replace(tzinfo=None) + timedelta(seconds=first_s)
    return first.replace(microsecond=0), first.microsecond / 1e6


def _chunks(recording: Recording, plan: EdfPlan, late_s: float) -> Iterator[tuple[Signal, list[bytes]]]:
    """Yield the samples of some records, [channel, time], and the times of these records."""
    records, held = plan.records, plan.fill_uv
    # In a continuous file, records follow each other by their stated duration, even if that is rounded.
    record_s = records.record_s if len(records.runs) == 1 else records.n_samples / recording.rate_hz
    for run in records.runs:
        onset_s = run.onset_s - records.runs[0].onset_s + late_s
        for start, stop in chunks(run.start, run.stop, recording, records.n_samples):
            samples = recording.read(start, stop, plan.rows)
            missing = ~np.isfinite(samples)
            if missing.any():
                if held is None:
                    raise _missing(recording, plan, missing, start, run)
                samples = _filled(samples, missing, held)
            held = samples[:, -1] if held is not None else None
            numbers = range((start - run.start) // records.n_samples, (stop - run.start) // records.n_samples)
            yield samples, [record_time(onset_s + record_s * number) for number in numbers]


def _filled(samples: Signal, missing: npt.NDArray[np.bool_], held: npt.NDArray[np.floating]) -> Signal:
    """Return samples in which missing ones repeat the last value, which is `held` before the first."""
    last = np.maximum.accumulate(np.where(missing, -1, np.arange(samples.shape[1])), axis=1)
    filled: Signal = np.where(last < 0, held[:, None], np.take_along_axis(samples, np.maximum(last, 0), axis=1))
    return filled


def _missing(
    recording: Recording, plan: EdfPlan, missing: npt.NDArray[np.bool_], start: int, run: FileRun
) -> WriteError:
    row, sample = np.argwhere(missing)[0]
    at_s = run.onset_s + (start + sample - run.start) / recording.rate_hz
    return WriteError(
        f"{recording.name}: {recording.channels[plan.rows[row]]} has no value at {at_s:g} s; EDF cannot mark missing "
        "samples"
    )


def _bytes(blocks: npt.NDArray[np.int32], bits: int) -> npt.NDArray[np.uint8]:
    """Return the bytes of samples, [record, byte], in the order of EDF: least significant first."""
    if bits == 16:
        return np.ascontiguousarray(blocks, dtype="<i2").view(np.uint8).reshape(len(blocks), -1)
    wide = np.ascontiguousarray(blocks, dtype="<i4").view(np.uint8).reshape(-1, 4)
    return wide[:, :3].reshape(len(blocks), -1)


def _header(plan: EdfPlan, start: datetime | None, n_text: int) -> bytes:
    """Return the header; `n_text` is the number of samples of the annotation signal in a record."""
    n_signals = len(plan.labels) + 1
    clock, recording_field = _start_fields(start)
    main = [
        BDF_MAGIC if plan.bits == 24 else EDF_MAGIC,
        header_field("X X X X", 80),
        header_field(recording_field, 80),
        header_field(f"{clock:%d.%m.%y%H.%M.%S}", 16),
        header_field(MAIN_BYTES + SIGNAL_BYTES * n_signals, 8),
        header_field(plan.kind, 44),
        header_field(plan.records.n_records, 8),
        header_field(plan.records.duration, 8),
        header_field(n_signals, 4),
    ]
    most = 2 ** (plan.bits - 1)
    columns: dict[str, Sequence[object]] = {
        "label": (*plan.labels, f"{plan.kind[:3]} Annotations"),
        "dimension": (*(scale.unit for scale in plan.scales), ""),
        "physical_min": (*(scale.physical[0] for scale in plan.scales), -1),
        "physical_max": (*(scale.physical[1] for scale in plan.scales), 1),
        "digital_min": (*(scale.digital[0] for scale in plan.scales), -most),
        "digital_max": (*(scale.digital[1] for scale in plan.scales), most - 1),
        "n_samples": (*[plan.records.n_samples] * len(plan.labels), n_text),
    }
    fields = (
        header_field(text, width) for name, width in FIELDS.items() for text in columns.get(name, [""] * n_signals)
    )
    return b"".join((*main, *fields))


def _start_fields(start: datetime | None) -> tuple[datetime, str]:
    """Return the start for the header, and the recording field, which also holds a date that EDF cannot state.

    The field states date, hospital code, technician and equipment (EDF+ 2.1.3.4); 'X' means unknown.
    """
    if start is None:
        return FIRST_START, "Startdate X X X ictal"
    if start.year not in YEARS:
        return datetime.combine(FIRST_DAY, start.time()), f"Startdate X X X ictal started_{date_text(start)}"
    # 1985-01-01 means an unknown date, for example after 'ictal deidentify --dates remove'.
    return start, f"Startdate {date_text(None if start.date() == FIRST_DAY else start)} X X ictal"
