"""Write EDF+ and BDF+ files, which every EEG viewer reads, in constant memory.

Source: Kemp and Olivan 2003, "European data format 'plus'"; comments cite its clauses. pyEDFlib and edfio cannot
write gaps (EDF+D), and edfio holds the whole file in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import atomic_write
from ictal.core.montage import ELECTRODES
from ictal.core.progress import Progress, silent
from ictal.core.recording import Annotation, FileRun, Recording, Signal
from ictal.errors import WriteError, listed
from ictal.io.edf.annotation_lists import AnnotationSignal, annotation_list, longest_time, record_time
from ictal.io.edf.header import FIELDS
from ictal.io.edf.record_format import RecordFormat, whole_second
from ictal.io.edf.records import Records, choose_records
from ictal.io.edf.scales import Scale
from ictal.io.edf.survey import chunks

TASK = "writing EDF"
AMPLIFIER = Scale("uV", ("-3276.8", "3276.7"), (-32768, 32767))
"""Steps of 0.1 µV."""


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

    def format(self, text_bytes: int) -> RecordFormat:
        """Return the format of the file, whose annotation signal has so many bytes in a record."""
        return RecordFormat(
            self.bits, self.labels, self.scales, self.records.n_samples, self.records.duration, text_bytes
        )


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
    write_plan(path, recording, amplifier_plan(recording), progress)


def amplifier_plan(recording: Recording) -> EdfPlan:
    """Return the plan by which `write_edf` writes a recording.

    Raises
    ------
    WriteError
        If EDF+ cannot store all of the recording.
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
    return EdfPlan(16, rows, labels, scales, records, recording.annotations)


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
    start, late_s = whole_second(recording.start, records.runs[0].onset_s)
    notes = sorted(plan.annotations, key=lambda note: note.onset_s)
    lists = [annotation_list(note, late_s - records.runs[0].onset_s) for note in notes]
    last = records.runs[-1]
    end_s = late_s + last.onset_s + (last.stop - last.start) / recording.rate_hz
    texts = AnnotationSignal.of(lists, records.n_records, longest_time(end_s), width)
    form = plan.format(texts.n_bytes)
    clipped = np.zeros(len(plan.rows), dtype=np.int64)
    with atomic_write(path) as part, part.open("wb") as file:
        file.write(form.header(start, form.extent(with_gaps=len(records.runs) > 1, n_records=records.n_records)))
        done = 0
        for samples, onsets_s in planned_samples(recording, plan):
            progress(TASK, done * records.n_samples / recording.rate_hz, recording.duration_s)
            times = [record_time(onset_s + late_s) for onset_s in onsets_s]
            encoded, beyond = form.encode(samples, texts.fill(done, times))
            clipped += beyond
            file.write(encoded.data)
            done += len(times)
    progress(TASK, recording.duration_s, recording.duration_s)
    return clipped


def planned_samples(recording: Recording, plan: EdfPlan) -> Iterator[tuple[Signal, list[float]]]:
    """Yield the samples of some records, [channel, time], and the onset of each after the first record of all.

    Raises
    ------
    WriteError
        If there are missing samples that the plan does not allow.
    """
    records, held = plan.records, plan.fill_uv
    onsets_s, done = records.onsets_s(recording.rate_hz).tolist(), 0
    for run in records.runs:
        for start, stop in chunks(run.start, run.stop, recording, records.n_samples):
            samples = recording.read(start, stop, plan.rows)
            missing = ~np.isfinite(samples)
            if missing.any():
                if held is None:
                    raise _missing(recording, plan, missing, start, run)
                samples = repeat_last(samples, missing, held)
            held = samples[:, -1] if held is not None else None
            before, done = done, done + (stop - start) // records.n_samples
            yield samples, onsets_s[before:done]


def repeat_last(samples: Signal, missing: npt.NDArray[np.bool_], held: npt.NDArray[np.floating]) -> Signal:
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
