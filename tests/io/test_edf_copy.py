import re
import resource
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.recording import Annotation, Gap
from ictal.errors import IctalError, ReadError
from ictal.io import open_recording
from ictal.io.edf.annotated_copy import copy_edf_with_annotations
from ictal.io.edf.header import EdfFile

Notes = list[tuple[float, float, str]]

NEW = (
    Annotation(0.0, 0.0, "begin"),
    Annotation(1.234567, 2.5, "ictal: Seizure"),
    Annotation(3.000001, 4.000001, "Müdigkeit µV 癲癇"),
    Annotation(3.000001, 0.0, "at the same time"),
    Annotation(5.75, 0.1, "n" * 200),
)
OLD = ((0.5, 0.0, "eyes open"), (2.25, 1.5, "patient's event"))
N_RECORDS, RATE, LABELS = 8, 200, ("EEG Fp1-REF", "EEG Fp2-REF", "ECG")
PLAIN = ("EDF", "BDF")
KINDS = (*PLAIN, "EDF+C", "EDF+D", "BDF+C", "BDF+D")
GAP_S = 100.0


def _field(text: str | bytes) -> bytes:
    return (text if isinstance(text, bytes) else text.encode("latin-1")).ljust(80)


def make(path: Path, kind: str = "EDF", record_s: str = "1", first_s: float = 0.0, **fields: str | bytes) -> Path:
    """Write a small file of any kind by hand: EDF's and EDF+'s own words, with none of the code that is tested."""
    width, bits = (3, 24) if kind.startswith("BDF") else (2, 16)
    plus = kind not in PLAIN
    n_annotation = 60 if plus else 0
    sizes = [RATE] * len(LABELS) + [n_annotation] * plus
    labels = [*LABELS, *[f"{kind[:3]} Annotations"] * plus]
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    texts = {
        "patient": "X X X X" if plus else "Anna Bell, ward 3",
        "recording": "Startdate 01-JUL-2019 X X X" if plus else "night 2",
        "reserved": kind if plus else {2: "", 3: "24BIT"}[width],
    } | fields
    header = b"\xffBIOSEMI" if width == 3 else b"0       "
    header += _field(texts["patient"]) + _field(texts["recording"])
    header += b"01.07.1922.30.05" + str(256 * (len(labels) + 1)).ljust(8).encode()
    header += texts["reserved"].ljust(44).encode()
    header += str(N_RECORDS).ljust(8).encode() + record_s.ljust(8).encode() + str(len(labels)).ljust(4).encode()
    each, empty = len(labels), [""] * plus
    for values, size in [
        (labels, 16),
        (["electrode"] * 3 + empty, 80),
        (["uV"] * 3 + empty, 8),
        ([-500] * each, 8),
        ([500] * each, 8),
        ([low] * each, 8),
        ([high] * each, 8),
        (["HP:0.1"] * 3 + empty, 80),
        (sizes, 8),
        ([""] * each, 32),
    ]:
        header += b"".join(str(value).ljust(size).encode() for value in values)
    rng = np.random.default_rng(0)
    body = b""
    for number in range(N_RECORDS):
        body += rng.integers(0, 256, len(LABELS) * RATE * width, dtype=np.uint8).tobytes()
        onset = first_s + number * float(record_s) + (GAP_S if kind.endswith("D") and number >= 3 else 0)
        tals = f"+{onset:g}\x14\x14\x00"
        if number == 0:
            for at, duration, text in OLD:
                tals += f"+{first_s + at:g}" + f"\x15{duration:g}" * bool(duration) + f"\x14{text}\x14\x00"
        body += tals.encode().ljust(n_annotation * width, b"\0") if plus else b""
    path.write_bytes(header + body)
    return path


def with_mne(path: Path) -> tuple[np.ndarray, Notes]:
    raw = mne.io.read_raw(path, verbose="ERROR")
    return raw.get_data(), [(float(a["onset"]), float(a["duration"]), str(a["description"])) for a in raw.annotations]


def with_pyedflib(path: Path) -> tuple[np.ndarray, Notes]:
    with pyedflib.EdfReader(str(path)) as file:
        rows = [file.readSignal(index, digital=True) for index in range(file.signals_in_file)]
        onsets, durations, texts = file.readAnnotations()
    return np.concatenate(rows), [(o, max(d, 0), t) for o, d, t in zip(onsets, durations, texts, strict=True)]


def with_edfio(path: Path) -> tuple[np.ndarray, Notes]:
    file = (edfio.read_bdf if path.suffix == ".bdf" else edfio.read_edf)(path)
    return np.concatenate([s.digital for s in file.signals]), [
        (note.onset, note.duration or 0.0, note.text) for note in file.annotations
    ]


READERS: dict[str, Callable[[Path], tuple[np.ndarray, Notes]]] = {
    "mne": with_mne,
    "pyedflib": with_pyedflib,
    "edfio": with_edfio,
}


def triples(notes: Sequence[Annotation]) -> Notes:
    return [(note.onset_s, note.duration_s, note.text) for note in notes]


def assert_same_notes(found: Notes, expected: Notes) -> None:
    """Compare within a tenth of a microsecond: what floats near 1e5 s can say."""
    assert sorted(text for *_, text in found) == sorted(text for *_, text in expected)
    by_text = lambda notes: sorted((text, onset, duration) for onset, duration, text in notes)  # noqa: E731
    for one, other in zip(by_text(found), by_text(expected), strict=True):
        assert one[1:] == pytest.approx(other[1:], abs=1e-7)


def records_of(path: Path, n_signals: int | None = None) -> list[bytes]:
    """Return the bytes of the first signals of each record, read with nothing but the header's numbers."""
    content = path.read_bytes()
    n_header, n_all = int(content[184:192]), int(content[252:256])
    sizes = [int(content[256 + 216 * n_all + 8 * i :][:8]) for i in range(n_all)]
    width = 3 if content[:1] == b"\xff" else 2
    whole = sum(sizes) * width
    kept = sum(sizes[:n_signals]) * width
    n_records = (len(content) - n_header) // whole
    return [content[n_header + i * whole :][:kept] for i in range(n_records)]


def suffix(kind: str) -> str:
    return f".{kind[:3].lower()}"


# The copy


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_others_find_every_annotation_at_its_time_and_the_same_samples(kind, reader, tmp_path):
    source, out = make(tmp_path / f"a{suffix(kind)}", kind), tmp_path / f"b{suffix(kind)}"
    copy_edf_with_annotations(source, out, NEW)
    if reader == "pyedflib" and kind.endswith("D"):
        with pytest.raises(OSError, match="discontinuous"):  # of the original it says the same
            READERS[reader](source)
        return
    samples, notes = READERS[reader](out)
    before, old = READERS[reader](source)
    np.testing.assert_array_equal(samples, before)
    assert len(old) == (0 if kind in PLAIN else len(OLD))
    assert_same_notes(notes, old + triples(NEW))


@pytest.mark.parametrize("kind", KINDS)
def test_records_and_the_fields_of_the_signals_are_those_of_the_original(kind, tmp_path):
    source, out = make(tmp_path / "a", kind), tmp_path / "b"
    copy_edf_with_annotations(source, out, NEW)
    n_signals = int(source.read_bytes()[252:256])
    assert records_of(out, n_signals) == records_of(source)
    head, was = out.read_bytes(), source.read_bytes()
    assert (int(head[184:192]), int(head[236:244]), int(head[252:256])) == (256 * (n_signals + 2), 8, n_signals + 1)
    assert head[192:197].decode() == (kind if kind not in PLAIN else f"{kind}+C")
    assert (head[:8], head[168:184], head[244:252]) == (was[:8], was[168:184], was[244:252])
    start = 256
    for width in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
        place = 256 + (start - 256) // n_signals * (n_signals + 1)
        assert head[place : place + width * n_signals] == was[start : start + width * n_signals]
        start += width * n_signals
    assert EdfFile.open(out).signals[-1].label == f"{kind[:3]} Annotations"


@pytest.mark.parametrize("kind", ["EDF+C", "EDF+D", "BDF+D"])
def test_times_are_those_from_the_first_record_which_may_follow_the_start_of_the_header(kind, tmp_path):
    source, out = make(tmp_path / f"a{suffix(kind)}", kind, first_s=0.25), tmp_path / f"b{suffix(kind)}"
    late = Annotation(4.5 + GAP_S, 1.0, "behind the gap")
    copy_edf_with_annotations(source, out, [*NEW, late])
    assert b"+1.484567\x152.5\x14ictal: Seizure\x14\x00" in out.read_bytes()
    assert b"+104.75\x151\x14behind the gap\x14\x00" in out.read_bytes()
    read, before = open_recording(out), open_recording(source)
    assert_same_notes(triples(read.annotations), triples(before.annotations) + triples([*NEW, late]))
    assert (read.start, read.gaps) == (before.start, before.gaps)
    assert before.gaps == ((Gap(3.0, GAP_S),) if kind.endswith("D") else ())


@pytest.mark.parametrize("record_s", ["0.39", "0.1", "2", "1.000001"])
def test_a_file_without_annotations_gains_the_onset_of_each_record(record_s, tmp_path):
    source, out = make(tmp_path / "a.edf", record_s=record_s), tmp_path / "b.edf"
    copy_edf_with_annotations(source, out, NEW)
    file = EdfFile.open(out)
    np.testing.assert_allclose(file.onsets_s, float(record_s) * np.arange(N_RECORDS), rtol=0, atol=1e-12)
    for number, record in enumerate(records_of(out)):
        stated = re.match(rb"\+([\d.]+)\x14\x14\x00", record[len(records_of(source)[0]) :])
        assert float(stated[1]) == pytest.approx(float(record_s) * number, abs=1e-12)  # EDF+ 2.2.4
    assert_same_notes(with_pyedflib(out)[1], triples(NEW))  # which checks each of these onsets


texts = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    lambda text: text == text.strip()
)
annotations = st.lists(
    st.builds(Annotation, *[st.integers(0, 10**11).map(lambda us: us / 1e6)] * 2, texts),
    max_size=30,
)


@given(notes=annotations, kind=st.sampled_from(["EDF", "EDF+C", "BDF"]))
def test_annotations_of_any_number_time_and_text_come_back(notes, kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    source, out = make(folder / f"a{suffix(kind)}", kind), folder / f"b{suffix(kind)}"
    copy_edf_with_annotations(source, out, notes)
    old = [] if kind in PLAIN else list(OLD)
    assert_same_notes(with_edfio(out)[1], old + triples(notes))
    copy_edf_with_annotations(out, folder / f"c{suffix(kind)}", NEW)  # a copy is a file like any other
    assert_same_notes(with_edfio(folder / f"c{suffix(kind)}")[1], old + triples(notes) + triples(NEW))


def test_what_would_end_an_annotation_becomes_a_blank_and_an_early_one_stays_early(tmp_path):
    source, out = make(tmp_path / "a.edf"), tmp_path / "b.edf"
    notes = [Annotation(-1.5, 0, "a\x14b\x15\x00c\nd"), Annotation(-1e-9, 0, " \x14 ")]
    copy_edf_with_annotations(source, out, notes)
    assert_same_notes(with_edfio(out)[1], [(-1.5, 0, "a b c d"), (0, 0, "(no text)")])


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        ("", "X X X X"),
        ("Anna Bell  3", "X X X Anna_Bell_3"),
        ("MCH-0234567 F 02-MAY-1951 Haagse_Harry", "MCH-0234567 F 02-MAY-1951 Haagse_Harry"),
        ("MCH-0234567 F 02-may-1951 Haagse_Harry", "X X X MCH-0234567_F_02-may-1951_Haagse_Harry"),
        ("Müller\x07 é", "X X X Muller_e"),
        ("Jürgen Müller".encode(), "X X X Jurgen_Muller"),
        (("n" * 79 + "ü").encode()[:80], "X X X " + "n" * 74),
        ("Straße", "X X X Stra?e"),
        ("n" * 80, "X X X " + "n" * 74),
    ],
)
def test_the_patients_field_becomes_what_edf_plus_wants_and_keeps_its_text(patient, expected, tmp_path):
    """EDF+ 2.1.3.1: printable ASCII. Others write UTF-8 or Latin-1."""
    source, out = make(tmp_path / "a.edf", patient=patient), tmp_path / "b.edf"
    copy_edf_with_annotations(source, out, NEW)
    assert out.read_bytes()[8:88].decode().rstrip() == expected
    assert edfio.read_edf(out).patient.name == expected.split()[3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Startdate 01-JUL-2019 X X X"),
        ("bed 4, system A", "Startdate 01-JUL-2019 X X X bed 4, system A"),
        ("Startdate 01-JUL-2019 PSG-1234/2002 NN Telemetry03", "Startdate 01-JUL-2019 PSG-1234/2002 NN Telemetry03"),
        ("Startdate 01-JUL-2019", "Startdate 01-JUL-2019 X X X Startdate 01-JUL-2019"),
    ],
)
def test_the_recordings_field_becomes_what_edf_plus_wants_and_keeps_its_text(text, expected, tmp_path):
    source, out = make(tmp_path / "a.edf", recording=text), tmp_path / "b.edf"
    copy_edf_with_annotations(source, out, NEW)
    assert out.read_bytes()[88:168].decode().rstrip() == expected
    assert edfio.read_edf(out).recording.startdate.isoformat() == "2019-07-01"


def test_a_start_that_is_no_date_is_said_to_be_unknown(tmp_path):
    source = make(tmp_path / "a.edf")
    source.write_bytes(source.read_bytes().replace(b"01.07.19", b"00.00.00"))
    copy_edf_with_annotations(source, tmp_path / "b.edf", NEW)
    assert (tmp_path / "b.edf").read_bytes()[88:168].decode().rstrip() == "Startdate X X X X night 2"


def test_a_file_that_is_cut_off_is_copied_up_to_its_last_whole_record(tmp_path):
    source, out = make(tmp_path / "a.edf", "EDF+C"), tmp_path / "b.edf"
    source.write_bytes(source.read_bytes()[:-100])
    copy_edf_with_annotations(source, out, NEW)
    assert out.read_bytes()[236:244] == b"7       "
    assert records_of(out, len(LABELS) + 1) == records_of(source)
    assert_same_notes(with_pyedflib(out)[1], [*OLD, *triples(NEW)])


def test_memory_does_not_grow_with_the_file(tmp_path):
    source = make(tmp_path / "a.edf")
    with source.open("r+b") as file:
        file.truncate(60_000_000)
    tracemalloc.start()
    copy_edf_with_annotations(source, tmp_path / "b.edf", NEW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6  # 8 MiB are read, 8 MiB and the annotations written
    assert (tmp_path / "b.edf").stat().st_size > 60_000_000


# Real files

REAL = NEW[:4]
"""Within five seconds: MNE leaves out what lies behind the end of a file."""


def test_every_real_file_that_others_open_is_copied(shared_data, tmp_path):
    copied = 0
    for source in sorted([*(shared_data / "edf").glob("*.?df"), *(shared_data / "seizure").glob("*_seizure.edf")]):
        out = tmp_path / source.name
        if source.name == "MIOB_invalid.edf":
            with pytest.raises(ReadError, match="not an EDF"):
                copy_edf_with_annotations(source, out, REAL)
            continue
        copy_edf_with_annotations(source, out, REAL)
        file = EdfFile.open(source)
        shift = float(file.onsets_s[0])
        for reader in (with_pyedflib, with_edfio):
            try:
                before, old = reader(source)
            except Exception:
                continue  # what they refuse in the original is theirs
            samples, notes = reader(out)
            np.testing.assert_array_equal(samples, before)
            late = 0 if reader is with_pyedflib else shift  # pyedflib counts from the first record too
            new = [(onset + late, duration, text) for onset, duration, text in triples(REAL)]
            assert_same_notes(notes, old + new)
        n_signals = len(file.signals)
        assert [r[: file.record_bytes] for r in records_of(out, n_signals)] == [
            source.read_bytes()[file.header_bytes + i * file.record_bytes :][: file.record_bytes]
            for i in range(file.n_records)
        ]
        old = mne.io.read_raw(source, verbose="ERROR").annotations.description.tolist()
        found = mne.io.read_raw(out, verbose="ERROR").annotations
        assert sorted(found.description) == sorted(old + [note.text for note in REAL])
        copied += 1
        out.unlink()
    assert copied >= 20


# What cannot be


@pytest.mark.parametrize(
    ("note", "message"),
    [
        (Annotation(float("nan"), 0, "a"), "'a' is at nan s and lasts 0 s; allowed are times within 1e\\+09 s"),
        (Annotation(1.7e9, 0, "a"), "'a' is at 1.7e\\+09 s"),
        (Annotation(1, float("inf"), "a"), "lasts inf s"),
        (Annotation(1, -2, "a"), "lasts -2 s"),
    ],
)
def test_times_that_are_none_are_refused(note, message, tmp_path):
    source = make(tmp_path / "a.edf")
    with pytest.raises(IctalError, match=message):
        copy_edf_with_annotations(source, tmp_path / "b.edf", [note])
    assert [file.name for file in tmp_path.iterdir()] == ["a.edf"]


def test_the_recording_itself_is_never_written_over(tmp_path):
    source = make(tmp_path / "a.edf")
    before = source.read_bytes()
    (tmp_path / "link.edf").symlink_to(source)
    for out in (source, tmp_path / "link.edf"):
        with pytest.raises(IctalError, match="is the recording itself"):
            copy_edf_with_annotations(source, out, NEW)
    assert source.read_bytes() == before


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    source = make(tmp_path / "a.edf")
    out = source / "below" / "b.edf"  # a file is no folder, for root too
    with pytest.raises(IctalError, match=r"b\.edf: cannot be written: Not a directory"):
        copy_edf_with_annotations(source, out, NEW)


@pytest.mark.parametrize("lacking", [1, 5000, 20_000])
def test_a_full_disk_is_an_error_and_leaves_no_file(lacking, tmp_path):
    source, out = make(tmp_path / "a.edf"), tmp_path / "b.edf"
    copy_edf_with_annotations(source, out, NEW)
    size = out.stat().st_size
    out.unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - lacking, before[1]))
    try:
        with pytest.raises(IctalError, match=r"b\.edf: cannot be written: File too large"):
            copy_edf_with_annotations(source, out, NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [file.name for file in tmp_path.iterdir()] == ["a.edf"]


SLOW_COPY = """
import sys, time
from pathlib import Path
from ictal.io.edf.annotated_copy import copy_edf_with_annotations
def slow(task, done, total):
    print(done, total, flush=True)
    time.sleep(60)
copy_edf_with_annotations(Path(sys.argv[1]), Path(sys.argv[2]), [], slow)
"""


def test_a_killed_copy_leaves_nothing_under_the_final_name(tmp_path):
    source, out = make(tmp_path / "a.edf"), tmp_path / "new" / "b.edf"
    with source.open("r+b") as file:
        file.truncate(20_000_000)
    command = [sys.executable, "-c", SLOW_COPY, str(source), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        done, total = process.stdout.readline().split()
        assert 0 < int(done) < int(total)
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
    left = [file.name for file in out.parent.iterdir()]
    assert left
    assert all(name.startswith(".") and name.endswith(".part") for name in left)
