"""Open thousands of damaged files. Each must give a recording or an IctalError, quickly and with little memory.

The seed and the number determine a case, so `--only NUMBER` runs it again. Cases run in a worker process, which is
restarted if a case kills it. The script prints the outcomes, and exits with code 1 if a case broke the rule.

Formats of vendors are read in the worker, with the limits of `ictal.io.devices.guarded`. That turns other exceptions
into an IctalError, so they are counted as 'guarded'. With --guarded, each case starts the process that a user starts.
"""

import argparse
import multiprocessing
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from _machine import SHARED
from ictal.core.montage import CHANNELS, MONTAGES, derivations_of
from ictal.core.recording import Recording
from ictal.errors import IctalError
from ictal.io import open_recording
from ictal.io.devices.child import MEMORY
from ictal.io.hms import write_hms
from ictal.io.open import READERS
from ictal.preprocessing.channel_mapping import bipolar_mapping, map_channels

REAL = SHARED / "edf"
ROOT = Path(__file__).resolve().parents[1]
LARGEST_BYTES = 300_000
TIMEOUT_S, HANG_S = 5, 30
"""After the first, a signal stops the case; after the second, its worker is killed."""
MEMORY_BYTES, ADDRESS_BYTES = 1 << 30, 1 << 34
"""Resident memory that a case may add, and the limit of the worker, which protects the machine."""
PIECE = 5000
N_SAMPLES = 2000
NUMBERS = (
    *("0", "-1", "1", "2", "99999999", "-9999999", "1e300", "1e-300", "nan", "inf", "-inf", "0.0001", "65536"),
    *("", "x", "1,5", "0x10", "1_0", "4294967", "2147483648", "--1", "3276.7"),
)
EXTREMES = ("<i", "<h", "<q", "<d", ">i", ">h")
"""Binary numbers that a case may write: a count of everything is somewhere."""
Files = dict[str, bytes]
"""The files of a recording by suffix, or by the end of their names if it starts with '_'; the first is opened."""


class TooSlow(BaseException):
    """A case took longer than `TIMEOUT_S`. It is no Exception, so that no handler of these catches it."""


# The files that are damaged


def _noise() -> Recording:
    samples = np.random.default_rng(0).normal(0, 50, (len(CHANNELS), N_SAMPLES)).clip(-400, 400)
    return Recording.from_array(samples, CHANNELS, 200)


def _edf_plus(folder: Path, kind: str) -> Iterator[Files]:
    """Yield a plain, a continuous and a discontinuous file, and the real ones."""
    import edfio

    is_edf = kind == "edf"
    write, make = (edfio.Edf, edfio.EdfSignal) if is_edf else (edfio.Bdf, edfio.BdfSignal)
    signals = [
        make(row.astype(float), 200, label=name, physical_dimension="uV", physical_range=(-500, 500))
        for name, row in zip(CHANNELS, _noise().read(), strict=True)
    ]
    notes = [edfio.EdfAnnotation(0.5, None, "Fp1 häng"), edfio.EdfAnnotation(3, 1.5, "seizure")]
    for annotations in ((), notes):
        write(signals, annotations=annotations).write(folder / "a")
        yield {kind: (folder / "a").read_bytes()}
    whole = (folder / "a").read_bytes()
    yield {kind: whole.replace(f"{kind.upper()}+C".encode(), f"{kind.upper()}+D".encode(), 1)}
    for path in sorted(REAL.glob(f"*.{kind}")):
        yield {kind: path.read_bytes()[:LARGEST_BYTES]}


def _parquet(folder: Path) -> Iterator[Files]:
    write_hms(folder / "a", _noise())
    yield {"parquet": (folder / "a").read_bytes()}


def _mne(folder: Path, kind: str) -> Iterator[Files]:
    import mne

    info = mne.create_info(list(CHANNELS), 200, "eeg", verbose="ERROR")
    raw = mne.io.RawArray(_noise().read() * 1e-6, info, verbose="ERROR")
    raw.set_annotations(mne.Annotations([0.5, 3], [0, 1.5], ["Fp1", "seizure"]))
    raw.save(folder / "a_raw.fif", verbose="ERROR")
    yield {kind: (folder / "a_raw.fif").read_bytes()}


def _brainvision(folder: Path) -> Iterator[Files]:
    channels = "".join(f"Ch{number}={name},,0.1,µV\n" for number, name in enumerate(CHANNELS, start=1))
    header = (
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=a.eeg\n"
        "MarkerFile=a.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(CHANNELS)}\nSamplingInterval=5000\n[Binary Infos]\nBinaryFormat=INT_16\n"
        f"[Channel Infos]\n{channels}"
    )
    markers = (
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=a.eeg\n"
        "[Marker Infos]\nMk1=New Segment,,1,1,0,20240229235958000000\nMk2=Comment,seizure,601,300,0\n"
    )
    samples = np.rint(_noise().read().T * 10).astype("<i2").tobytes()
    yield {"vhdr": header.encode(), "vmrk": markers.encode(), "eeg": samples}


def _eeglab(folder: Path) -> Iterator[Files]:
    import scipy.io

    samples = _noise().read()
    fields = {"nbchan": len(samples), "pnts": samples.shape[1], "trials": 1, "srate": 200.0, "xmin": 0.0}
    labels = np.array([(name,) for name in CHANNELS], dtype=[("labels", "O")])
    event = np.array([("seizure", 601.0)], dtype=[("type", "O"), ("latency", "O")])
    scipy.io.savemat(folder / "a.set", {"EEG": {**fields, "data": samples, "chanlocs": labels, "event": event}})
    yield {"set": (folder / "a.set").read_bytes()}


def _steps() -> np.ndarray:
    return np.rint(_noise().read() * 16)


def _nicolet(folder: Path) -> Iterator[Files]:
    """Yield a file with two segments, events and an index of several blocks, and one with its index first."""
    from tests.io.devices.nicolet_files import SEIZURE, Channel, Event, Nicolet, write

    channels = [Channel(name, row, 200, 1 / 16) for name, row in zip(CHANNELS, _steps(), strict=True)]
    events = (Event(0.5, "Fp1 häng"), Event(103, "", 1.5, SEIZURE, "Fp1"))
    made = Nicolet((*channels, Channel("Rate", np.arange(10), 1.0, 1.0, "")), [(0, 4), (104, 6)], events, 300, 20)
    for each in (made, replace(made, index_first=True, block=None)):
        yield {"e": write(folder / "a.e", each).read_bytes()}


def _micromed(folder: Path, kind: str) -> Iterator[Files]:
    from tests.io.devices.micromed_files import Channel, Micromed, write

    channels = [Channel(name, row + 2**15) for name, row in zip(CHANNELS, _steps(), strict=True)]
    made = Micromed(channels, 200, 2, ((0, 0), (2000, 800)), ((100, "Fp1 häng"),), ((640, 7),), ((64, 128),))
    yield {kind: write(folder / f"a.{kind}", made).read_bytes()}


def _nihon_kohden(folder: Path) -> Iterator[Files]:
    """Yield a file in the older layout and one in the newer one, each with names and events."""
    from tests.io.devices.nihon_files import Nihon, write

    blocks = [(0, _steps()[:, :800]), (104, _steps()[:, 800:])]
    events = [("Fp1 häng", 0.5, 0.5), ("a seizure with a long text", 4.5, 104.5)]
    made = Nihon(range(len(CHANNELS)), blocks, dict(enumerate(CHANNELS)), events)
    for each in (made, replace(made, extended=True, version="EEG-1200A V01.00")):
        path = write(folder / "a.EEG", each)
        yield {kind: path.with_suffix(f".{kind.upper()}").read_bytes() for kind in ("eeg", "21e", "log")}


def _natus(folder: Path) -> Iterator[Files]:
    """Yield a recording of a Quantum, and one of another headbox with pauses."""
    from tests.io.devices.natus_files import small_recordings

    for path in small_recordings(folder):
        names = sorted((file.name for file in path.parent.iterdir()), key=lambda name, main=path.name: name != main)
        yield {name.removeprefix("a").removeprefix("."): (path.parent / name).read_bytes() for name in names}


def _xdf(folder: Path, kind: str) -> Iterator[Files]:
    """Yield a recording with a pause and clock offsets, and one of whole numbers, each with markers."""
    from tests.io.devices.xdf_files import small_recordings

    for path in small_recordings(folder, kind):
        yield {kind: path.read_bytes()}


MAKERS: dict[str, Callable[[Path], Iterator[Files]]] = {
    "edf": lambda folder: _edf_plus(folder, "edf"),
    "bdf": lambda folder: _edf_plus(folder, "bdf"),
    "parquet": _parquet,
    "vhdr": _brainvision,
    "fif": lambda folder: _mne(folder, "fif"),
    "set": _eeglab,
    "e": _nicolet,
    "trc": lambda folder: _micromed(folder, "trc"),
    "vwr": lambda folder: _micromed(folder, "vwr"),
    "eeg": _nihon_kohden,
    "natus": _natus,
    "xdf": lambda folder: _xdf(folder, "xdf"),
    "xdfz": lambda folder: _xdf(folder, "xdfz"),
}


def samples_of(formats: list[str]) -> list[Files]:
    if str(ROOT) not in sys.path:  # the tests write the formats that only devices write
        sys.path.append(str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        return [files for name in formats for files in MAKERS[name](Path(folder))]


# Damage


def _flip(content: bytearray, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 20))):
        content[_place(content, rng)] ^= 1 << int(rng.integers(8))


def _overwrite(content: bytearray, rng: np.random.Generator) -> None:
    begin, length = _place(content, rng), int(rng.integers(1, 200))
    value = rng.choice([0, 255, 32, -1])
    run = rng.bytes(length) if value < 0 else bytes([int(value)]) * length
    content[begin : begin + length] = run[: len(content) - begin]


def _number(content: bytearray, rng: np.random.Generator) -> None:
    """Replace a number, or write one where a field of eight bytes may begin."""
    begin = _place(content, rng)
    begin = next((at for at in range(begin, min(begin + 64, len(content))) if content[at : at + 1].isdigit()), begin)
    begin = begin // 8 * 8 if rng.random() < 0.5 else begin
    text = str(rng.choice(NUMBERS)).encode().ljust(int(rng.choice([0, 4, 8])))
    content[begin : begin + len(text)] = text


def _cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[_place(content, rng) :]


def _remove(content: bytearray, rng: np.random.Generator) -> None:
    begin = _place(content, rng)
    del content[begin : begin + int(rng.integers(1, 300))]


def _insert(content: bytearray, rng: np.random.Generator) -> None:
    begin = _place(content, rng)
    content[begin:begin] = rng.bytes(int(rng.integers(1, 300)))


def _swap(content: bytearray, rng: np.random.Generator) -> None:
    first, second, length = _place(content, rng), _place(content, rng), int(rng.integers(1, 300))
    a, b = bytes(content[first : first + length]), bytes(content[second : second + length])
    content[first : first + length], content[second : second + length] = b, a


def _extreme(content: bytearray, rng: np.random.Generator) -> None:
    """Write a binary number: a limit of its type, a small one, or any."""
    kind = str(rng.choice(EXTREMES))
    size = struct.calcsize(kind)
    at = _place(content, rng) // size * size
    limit = 2 ** (8 * size - 1)
    whole = int(rng.choice([limit - 1, -limit, -1, 0, 1, limit // 2, int(rng.integers(-1000, 100_000))]))
    number = float(rng.choice([np.nan, np.inf, 1e300, 1e-300, -1.0, whole])) if kind.endswith("d") else whole
    packed = struct.pack(kind, number) if kind.endswith("d") else number.to_bytes(8, "little", signed=True)[:size]
    content[at : at + size] = packed[: len(content) - at]


DAMAGES = (_flip, _overwrite, _number, _number, _cut, _remove, _insert, _swap, _extreme, _extreme)
MISSING = 0.02
"""Share of cases in which a file is missing."""


def _place(content: bytearray, rng: np.random.Generator) -> int:
    """Return a place, mostly in the head or the tail, which contain the description of a file."""
    size = max(len(content), 1)
    reach = min(size, int(rng.choice([256, 4096, 16384])))
    kind = rng.random()
    low, high = (0, reach) if kind < 0.5 else (size - reach, size) if kind < 0.75 else (0, size)
    return int(rng.integers(low, high))


def damaged(samples: list[Files], seed: int, number: int) -> Files:
    """Return case `number`: one of the files, with up to four kinds of damage in one of its parts."""
    rng = np.random.default_rng((seed, number))
    files = dict(samples[int(rng.integers(len(samples)))])
    part = str(rng.choice([*files]))
    content = bytearray(files[part])
    for _ in range(int(rng.integers(1, 5))):
        if content:
            DAMAGES[int(rng.integers(len(DAMAGES)))](content, rng)
    files[part] = bytes(content)
    if len(files) > 1 and rng.random() < MISSING:
        del files[str(rng.choice([*files][1:]))]
    return files


def put(files: Files, folder: Path) -> Path:
    for old in folder.iterdir():
        old.unlink()
    for suffix, content in files.items():
        (folder / f"a.{suffix}".replace("._", "_")).write_bytes(content)
    return folder / f"a.{next(iter(files))}"


# The rule


def vendor_reader(path: Path) -> Callable[[Path], Recording] | None:
    """Return the function that the process of a vendor's format runs; None for other formats."""
    name = next(iter(getattr(READERS[path.suffix.lower()], "args", ())), None)
    if name is None:
        return None
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def use(path: Path, *, in_process: bool) -> None:
    """Open a file, read all of it, and find its electrodes, as scoring does."""
    reader = vendor_reader(path) if in_process else None
    recording = reader(path) if reader else open_recording(path, accept_doubtful=True)
    count = len(recording.channels)
    if not (recording.rate_hz > 0 and np.isfinite(recording.rate_hz)):
        raise AssertionError(f"a rate of {recording.rate_hz}")
    if {len(recording.kinds), len(recording.limits_uv)} - {0, count}:
        raise AssertionError(f"{count} channels, {len(recording.kinds)} kinds, {len(recording.limits_uv)} limits")
    if any(run.stop <= run.start for run in recording.runs[:-1]) or recording.runs[-1].stop != recording.n_samples:
        raise AssertionError(f"runs {recording.runs}")
    if not all(np.isfinite(note.onset_s + note.duration_s) for note in recording.annotations):
        raise AssertionError("a time of an annotation is not finite")
    for start in range(0, recording.n_samples, PIECE):
        stop = min(start + PIECE, recording.n_samples)
        samples = recording.read(start, stop)
        if samples.shape != (count, stop - start) or samples.dtype != np.float32:
            raise AssertionError(f"{samples.shape} {samples.dtype} instead of {(count, stop - start)}")
    bipolar_mapping(recording)
    map_channels(recording, derivations_of(MONTAGES["double_banana"]))


def outcome(path: Path, *, in_process: bool) -> str:
    """Return 'recording', 'error: CLASS', or a word for what broke the rule, with the traceback."""
    signal.alarm(TIMEOUT_S)
    try:
        use(path, in_process=in_process)
    except IctalError as error:
        return f"error: {type(error).__name__}" if "\n" not in str(error) else f"LINES {error}"
    except TooSlow:
        return f"SLOW {traceback.format_exc()}"
    except BaseException as error:
        guarded = in_process and isinstance(error, Exception) and vendor_reader(path)
        return f"error: guarded {type(error).__name__}" if guarded else f"EXCEPTION {traceback.format_exc()}"
    else:
        return "recording"
    finally:
        signal.alarm(0)


def _stop(*_: object) -> None:
    raise TooSlow


def work(connection: Connection, formats: list[str], seed: int, in_process: bool) -> None:
    """Run the cases whose numbers arrive through the connection."""
    samples = samples_of(formats)
    with tempfile.TemporaryDirectory() as folder:
        signal.signal(signal.SIGALRM, _stop)
        for files in samples:  # imports count for no case
            path = put(files, Path(folder))
            outcome(path, in_process=in_process)
        begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, -1))
        if vendor_reader(path):
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, -1))
        while (number := connection.recv()) is not None:
            path, started = put(damaged(samples, seed, number), Path(folder)), time.perf_counter()
            result = outcome(path, in_process=in_process)
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - begin
            connection.send((result if peak < MEMORY_BYTES else f"MEMORY {peak}\n{result}", seconds, peak))


class Worker:
    """A process that runs cases one by one, and is restarted if a case kills it.

    `slowest_s` and `peak_bytes` are those of the cases so far.
    """

    def __init__(self, formats: list[str], seed: int, *, in_process: bool) -> None:
        self.arguments = formats, seed, in_process
        self.slowest_s, self.peak_bytes = 0.0, 0
        self.start()

    def start(self) -> None:
        """Start the process, or restart it."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, *self.arguments), daemon=True)
        self.process.start()
        theirs.close()

    def run(self, number: int) -> str:
        """Return the outcome of a case, or how it killed its process."""
        try:
            self.connection.send(number)
            if self.connection.poll(HANG_S):
                result, seconds, peak = self.connection.recv()
                self.slowest_s, self.peak_bytes = max(seconds, self.slowest_s), max(peak, self.peak_bytes)
                return str(result)
            word = "HANG"
        except (EOFError, OSError):
            word = "CRASH"
        self.process.kill()
        self.process.join()
        word = f"{word} with exit code {self.process.exitcode}"
        self.start()
        return word


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", default="edf,bdf,parquet")
    parser.add_argument("--guarded", action="store_true", help="read formats of vendors in their own processes")
    parser.add_argument("--only", type=int, help="run only this case")
    parser.add_argument("--keep", type=Path, help="folder for the files that broke the rule")
    options = parser.parse_args()
    formats = options.formats.split(",")
    worker, counts = Worker(formats, options.seed, in_process=not options.guarded), Counter[str]()
    for number in range(options.n) if options.only is None else [options.only]:
        result = worker.run(number)
        counts[result.split("\n", 1)[0]] += 1
        if not result.startswith(("recording", "error")):
            print(f"case {number}: {result}", flush=True)
            if options.keep:
                folder = options.keep / str(number)
                folder.mkdir(parents=True, exist_ok=True)
                put(damaged(samples_of(formats), options.seed, number), folder)
    worker.process.kill()
    for word, count in counts.most_common():
        print(f"{count:7d} {word}")
    print(f"slowest {worker.slowest_s:.2f} s, most memory {worker.peak_bytes / 2**20:.0f} MiB", file=sys.stderr)
    sys.exit(any(not word.startswith(("recording", "error")) for word in counts))


if __name__ == "__main__":
    main()
