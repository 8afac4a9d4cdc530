"""One suite over every kind of data set, and what is said of tables and files that are wrong."""

import gzip
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import edfio
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.labels import STRATA, TRUE_COLUMNS, VOTE_COLUMNS, strata
from ictal.core.montage import CHANNELS
from ictal.core.recording import Recording
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.data import Dataset, DataSettings, WindowArray, open_dataset, prepare
from ictal.data.hms import OFFSET_COLUMN, read_hms_labels
from ictal.data.label_table import LABEL_COLUMNS
from ictal.data.manifest import read_manifest
from ictal.data.open import thin
from ictal.data.simulated import SimulatedDataset, write_folder
from ictal.errors import TableError, UnknownNameError
from ictal.io import open_recording
from ictal.io.hms import write_hms
from ictal.preprocessing.filtering import band_pass
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.simulator import SimulationSettings
from tests.data.helpers import assert_stored
from tests.helpers import EDF_STEPS, edf_signals, manifest, noise, recording, save

SIM = SimulationSettings(patients=3, eegs_per_patient=2, seed=7)
SETTINGS = DataSettings(sim=SIM)
STANDARD = StandardiseSettings()
PATIENT = {"sim": "p{}", "folder": "{}", "manifest": "{}", "edf": "{}"}


def write_manifest(folder: Path, suffix: str) -> Path:
    """Write a manifest beside the EEGs of a folder in HMS layout."""
    table = pd.read_csv(folder / "train.csv")
    rows = [
        (f"train_eegs/{eeg}{suffix}", 0, patient) for eeg, patient in zip(table.eeg_id, table.patient_id, strict=True)
    ]
    made = manifest(rows)
    made[list(VOTE_COLUMNS)] = table[list(VOTE_COLUMNS)]
    return save(made, folder / "manifest.csv")


def write_edf(path: Path, made: Recording) -> float:
    """Write a recording as EDF; return its digital step in µV."""
    samples = made.read()
    limit = float(np.ceil(abs(samples).max()))
    edfio.Edf(edf_signals(samples, made.channels, made.rate_hz, limit)).write(path)
    return 2 * limit / EDF_STEPS


@dataclass
class Kind:
    """A data set as a user names it, over the same simulated EEG."""

    name: str
    root: Path
    spec: str
    step_uv: float = 0
    made: list[WindowArray] = field(default_factory=list)

    def open(self, settings: DataSettings = SETTINGS) -> Dataset:
        return open_dataset(self.spec, settings)

    def moved(self, to: Path) -> "Kind":
        """Copy the data set to another place."""
        if self.name == "sim":
            return self
        shutil.copytree(self.root, to)
        return Kind(self.name, to, self.spec.replace(str(self.root), str(to)))


@pytest.fixture(scope="module", params=["sim", "folder", "manifest", "edf"])
def kind(request, tmp_path_factory) -> Kind:
    root = tmp_path_factory.mktemp(request.param) / "data"
    if request.param == "sim":
        return Kind("sim", root, "sim")
    write_folder(SimulatedDataset(SIM), root)
    if request.param == "folder":
        return Kind("folder", root, str(root))
    if request.param == "manifest":
        return Kind("manifest", root, str(write_manifest(root, ".parquet")))
    steps = []
    for path in sorted((root / "train_eegs").iterdir()):
        steps.append(write_edf(path.with_suffix(".edf"), open_recording(path)))
        path.unlink()
    return Kind("edf", root, str(write_manifest(root, ".edf")), max(steps))


# The protocol


def test_labels_are_a_row_per_window_with_ids_as_text_and_votes_as_counts(kind):
    labels = kind.open().labels
    knows = kind.name in ("sim", "folder")  # a manifest, as people write it, has no true distribution
    assert tuple(labels.columns) == (*LABEL_COLUMNS, *(TRUE_COLUMNS if knows else ()))
    assert labels.index.tolist() == list(range(6))
    assert labels["window_id"].is_unique
    assert labels["eeg_id"].is_unique
    assert labels["patient_id"].tolist() == [PATIENT[kind.name].format(number // 2) for number in range(6)]
    for column in ("window_id", "eeg_id", "patient_id"):
        assert all(isinstance(value, str) for value in labels[column])
    assert labels["start_s"].dtype == np.float64
    votes = labels[list(VOTE_COLUMNS)]
    assert (votes.dtypes == np.int64).all()
    made = SimulatedDataset(SIM).labels
    np.testing.assert_array_equal(votes, made[list(VOTE_COLUMNS)])
    if knows:  # written with six decimals
        np.testing.assert_allclose(labels[list(TRUE_COLUMNS)], made[list(TRUE_COLUMNS)], atol=5e-7)


def test_the_recording_of_every_eeg_can_be_standardised(kind):
    dataset = kind.open()
    for eeg_id in dataset.labels["eeg_id"]:
        made = dataset.recording(eeg_id)
        assert made.rate_hz == RATE_HZ
        out = standardise(made, STANDARD)
        assert out.signal.shape == (len(CHANNELS), WINDOW_SAMPLES)
        assert np.isfinite(out.signal).all()
        assert not out.missing.any()


def test_a_fingerprint_is_of_the_content_and_not_of_the_place(kind, tmp_path):
    first = kind.open().fingerprint()
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert kind.open().fingerprint() == first
    assert kind.moved(tmp_path / "elsewhere").open().fingerprint() == first


def test_a_fingerprint_changes_with_labels_and_with_eeg(kind, tmp_path):
    seen = {kind.open().fingerprint()}
    if kind.name == "sim":
        for change in ({"seed": 8}, {"patients": 4}, {"eegs_per_patient": 1}):
            seen.add(kind.open(DataSettings(sim=SIM.model_copy(update=change))).fingerprint())
        assert len(seen) == 4
        return
    copy = kind.moved(tmp_path / "copy")
    eeg = sorted((copy.root / "train_eegs").iterdir())[-1]
    samples = open_recording(eeg).read()
    samples[0, :100] += 1
    changed = Recording.from_array(samples, CHANNELS, RATE_HZ)
    write_hms(eeg, changed) if eeg.suffix == ".parquet" else write_edf(eeg, changed)
    seen.add(copy.open().fingerprint())
    table_path = copy.root / "train.csv" if kind.name == "folder" else Path(copy.spec)
    table = pd.read_csv(table_path)
    table.loc[2, "grda_vote"] += 1
    save(table, table_path)
    seen.add(copy.open().fingerprint())
    assert len(seen) == 3


def test_windows_are_prepared_once_and_then_come_from_the_cache(kind, tmp_path):
    calls: list[tuple[str, float, float]] = []
    first = prepare(kind.open(), STANDARD, tmp_path, lambda *call: calls.append(call))
    assert [call[1:] for call in calls] == [(number, 6) for number in range(1, 7)]
    second = prepare(kind.open(), STANDARD, tmp_path, lambda *call: pytest.fail("was built again"))
    for made in (first, second):
        assert len(made) == 6
        assert made.signals.shape == (6, len(CHANNELS), WINDOW_SAMPLES)
        assert made.signals.dtype == np.float32
        assert np.isfinite(made.signals).all()
        assert made.refused.empty
        assert (made.labels[["missing_share", "flat_electrodes", "made_up_share"]] == 0).all(axis=None)
        pd.testing.assert_frame_equal(made.labels[kind.open().labels.columns], kind.open().labels)
    np.testing.assert_array_equal(first.signals, second.signals)
    assert first.fingerprint == second.fingerprint
    other = prepare(kind.open(), StandardiseSettings(band_hz=(0.5, 40)), tmp_path)
    assert other.fingerprint != first.fingerprint
    assert not np.array_equal(other.signals, first.signals)


def test_every_kind_gives_the_windows_of_the_simulation(kind, tmp_path):
    """Parquet holds the simulation's float32; EDF rounds to half a step, which the filter then spreads.

    The largest change by a filter is the sum of its impulse response's absolute values; the edges, extended
    by odd reflection, can triple it. What float32 rounds away of the result comes on top.
    """
    impulse = np.zeros((1, 2 * WINDOW_SAMPLES))
    impulse[0, WINDOW_SAMPLES] = 1
    spread = 3 * abs(band_pass(impulse, (0.1, 20), 4)).sum()
    simulated = np.asarray(prepare(SimulatedDataset(SIM), STANDARD, tmp_path).signals)
    signals = prepare(kind.open(), STANDARD, tmp_path).signals
    largest_uv = 2 * float(abs(simulated).max()) if kind.step_uv else 0  # both were rounded to 16 bits
    assert_stored(signals, simulated, largest_uv, spread * kind.step_uv / 2)


# Several windows of one EEG


@pytest.fixture(scope="module")
def long_eegs(tmp_path_factory) -> Path:
    """Return a folder with two EEGs of 90 s."""
    folder = tmp_path_factory.mktemp("long")
    for number in (1, 2):
        write_hms(folder / f"{number}.parquet", recording(90 * RATE_HZ, seed=number))
    return folder


def test_windows_stay_with_their_labels_when_the_rows_of_eegs_alternate(long_eegs, tmp_path):
    starts = [("1", 40), ("2", 0), ("1", 0), ("2", 12.3456), ("1", 7.5), ("2", 40.002)]  # the last: rounded
    rows = [(long_eegs / f"{eeg}.parquet", start, f"p{eeg}") for eeg, start in starts]
    table = manifest(rows)
    table["other_vote"] = range(6)
    dataset = open_dataset(str(save(table, tmp_path / "m.csv")), SETTINGS)
    assert dataset.labels["start_s"].tolist() == [0, 7.5, 40, 0, 12.3456, 40.002]
    assert dataset.labels["other_vote"].tolist() == [2, 4, 0, 1, 3, 5]
    made = prepare(dataset, STANDARD, tmp_path / "cache")
    whole = {eeg: standardise(open_recording(long_eegs / f"{eeg}.parquet"), STANDARD).signal for eeg in "12"}
    for row, (eeg, begin) in enumerate([("1", 0), ("1", 1500), ("1", 8000), ("2", 0), ("2", 2469), ("2", 8000)]):
        assert_stored(made.signals[row], whole[eeg][:, begin : begin + WINDOW_SAMPLES], abs(whole[eeg]).max())


sizes = st.lists(st.integers(1, 30), min_size=1, max_size=5)


@given(sizes, st.integers(1, 12), st.randoms(use_true_random=False))
def test_an_eeg_is_thinned_evenly_whatever_the_order_of_the_rows(sizes, most, random):
    rows = [(f"e{eeg}", float(2 * window)) for eeg, size in enumerate(sizes) for window in range(size)]
    random.shuffle(rows)
    labels = pd.DataFrame(rows, columns=["eeg_id", "start_s"]).assign(window_id=range(len(rows)))
    thinned = thin(labels, most)
    assert thinned["eeg_id"].drop_duplicates().tolist() == labels["eeg_id"].drop_duplicates().tolist()
    blocks = (thinned["eeg_id"] != thinned["eeg_id"].shift()).sum()
    assert blocks == len(sizes)  # rows of one EEG stand together
    for eeg, size in enumerate(sizes):
        kept = thinned.loc[thinned["eeg_id"] == f"e{eeg}", "start_s"].to_numpy() / 2
        assert len(kept) == min(size, most)
        steps = np.diff(kept)
        assert (steps > 0).all()
        assert max(steps, default=1) - min(steps, default=1) <= 1
    assert len(thin(labels, None)) == len(labels)


def test_thinning_is_part_of_the_fingerprint(long_eegs, tmp_path):
    rows = [(long_eegs / "1.parquet", start, "p") for start in range(0, 40, 10)]
    spec = str(save(manifest(rows), tmp_path / "m.csv"))
    few, every = (open_dataset(spec, DataSettings(max_windows_per_eeg=most)) for most in (2, None))
    assert few.labels["start_s"].tolist() == [0, 20]
    assert few.fingerprint() != every.fingerprint()


# What is wrong with a table


Change = Callable[[pd.DataFrame], pd.DataFrame]


def put(line: int, **values: object) -> Change:
    """Return a change of one line of a file, whose header is line 1."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype(object)
        for column, value in values.items():
            table.loc[line - 2, column] = value
        return table

    return change


NO_VOTES = dict.fromkeys(VOTE_COLUMNS, 0)

TABLE_PROBLEMS: dict[str, tuple[Change, list[str]]] = {
    "negative vote": (put(3, lpd_vote=-1), ["line 3: lpd_vote is -1; allowed are whole numbers from 0"]),
    "fractional vote": (put(4, gpd_vote=0.5), ["line 4: gpd_vote is 0.5; allowed are whole numbers from 0"]),
    "vote that is text": (put(2, gpd_vote="x"), ["line 2: gpd_vote is x; allowed are whole numbers from 0"]),
    "vote beyond any number": (put(2, gpd_vote=1e30), ["line 2: gpd_vote is 1e+30"]),
    "no votes": (put(5, **NO_VOTES), ["line 5: all six votes are 0", "at least one"]),
    "empty patient": (put(3, patient_id=" "), ["line 3: patient_id is empty"]),
    "row that stands twice": (
        lambda table: pd.concat([table, table.iloc[1:2]]),
        ["lines 3, 6", "2 times; allowed is once"],
    ),
    "patient in two folds": (
        lambda table: table.assign(fold=[0, 0, "test", 1]),
        ["patient_id '1' has several values of fold: test, 1; allowed is one"],
    ),
    "fold that is none": (
        lambda table: table.assign(fold=["0", "0", "1.5", "1.5"]),
        ["line 4: fold is '1.5'; allowed are 0, 1, 2, ... and 'test'"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def tables(long_eegs, tmp_path_factory) -> dict[str, tuple[Path, Path, pd.DataFrame]]:
    """Return what is opened, its table's path, and a good table of each layout, with two rows per patient."""
    folder = tmp_path_factory.mktemp("hms")
    (folder / "train_eegs").mkdir()
    for number in (1, 2, 3):
        shutil.copy(long_eegs / "1.parquet", folder / "train_eegs" / f"{number}.parquet")
    hms = pd.DataFrame({"eeg_id": [1, 1, 2, 3], "eeg_sub_id": [0, 1, 0, 0], OFFSET_COLUMN: [0, 10, 0, 0.0]})
    rows = [("1.parquet", 0, 0), ("1.parquet", 10, 0), ("2.parquet", 0, 1), ("again/1.parquet", 0, 1)]
    (long_eegs / "again").mkdir(exist_ok=True)
    shutil.copy(long_eegs / "1.parquet", long_eegs / "again" / "1.parquet")
    hms = hms.assign(patient_id=[0, 0, 1, 1], **dict.fromkeys(VOTE_COLUMNS, 1))
    return {
        "folder": (folder, folder / "train.csv", hms),
        "manifest": (long_eegs / "m.csv", long_eegs / "m.csv", manifest(rows)),
    }


def message_of(spec: Path, path: Path, table: pd.DataFrame) -> list[str]:
    """Return the lines of the error that a data set with this table ends in."""
    save(table, path)
    with pytest.raises(TableError) as caught:
        open_dataset(str(spec), SETTINGS)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{path}: ")
    return lines


@pytest.mark.parametrize("layout", ["folder", "manifest"])
def test_the_table_without_a_problem_is_opened(tables, layout):
    spec, path, table = tables[layout]
    save(table.assign(fold=["test", "test", 0, 0], note="x"), path)
    labels = open_dataset(str(spec), SETTINGS).labels
    assert tuple(labels.columns) == (*LABEL_COLUMNS, "fold")
    assert labels["fold"].tolist() == ["test", "test", "0", "0"]


@pytest.mark.parametrize("layout", ["folder", "manifest"])
@pytest.mark.parametrize("what", TABLE_PROBLEMS)
def test_a_wrong_table_is_told_by_file_line_value_and_what_is_allowed(tables, layout, what):
    change, parts = TABLE_PROBLEMS[what]
    spec, path, table = tables[layout]
    lines = message_of(spec, path, change(table.copy()))
    assert [part for part in parts if not any(part in line for line in lines[1:])] == []


@pytest.mark.parametrize(
    ("layout", "change", "part"),
    [
        ("folder", put(3, patient_id=1), "eeg_id '1' has several values of patient_id: 0, 1; allowed is one"),
        ("manifest", put(3, patient_id=1), "eeg_id '1.parquet' has several values of patient_id: 0, 1"),
        ("folder", put(3, eeg_sub_id=0), "lines 2, 3: window_id 1_0 found 2 times; allowed is once"),
        (
            "manifest",
            put(3, start_s="0.0"),
            "lines 2, 3: eeg_id and start_s ('1.parquet', 0.0) found 2 times",
        ),
        (
            "folder",
            put(4, **{OFFSET_COLUMN: "soon"}),
            "line 4: the start is 'soon'; allowed are seconds from 0",
        ),
        ("manifest", put(2, start_s=-0.5), "line 2: the start is '-0.5'; allowed are seconds from 0"),
        ("manifest", put(4, file=""), "line 4: "),
    ],
)
def test_wrong_ids_and_starts_are_told(tables, layout, change, part):
    spec, path, table = tables[layout]
    assert any(part in line for line in message_of(spec, path, change(table)))


@pytest.mark.parametrize("layout", ["folder", "manifest"])
def test_one_message_lists_every_problem_of_a_table(tables, layout):
    spec, path, table = tables[layout]
    for change in (put(2, lpd_vote=-1), put(3, gpd_vote="x", patient_id=""), put(5, **NO_VOTES)):
        table = change(table)
    lines = message_of(spec, path, table.assign(fold=["0", "0", "0", "last"]))
    for part in (
        *("line 2: lpd_vote is -1", "line 3: gpd_vote is x", "line 3: patient_id is empty"),
        *("line 5: all six votes are 0", "line 5: fold is 'last'", "several values of patient_id"),
        "patient_id '1' has several values of fold",
    ):
        assert sum(part in line for line in lines) == 1, part


@pytest.mark.parametrize("layout", ["folder", "manifest"])
def test_missing_columns_are_all_named_with_what_the_table_has(tables, layout):
    spec, path, table = tables[layout]
    lines = message_of(spec, path, table.drop(columns=["patient_id", "lrda_vote"]).assign(Patient=1))
    assert lines[0] == f"{path}: 2 problems"
    for column, line in zip(("patient_id", "lrda_vote"), lines[1:], strict=True):
        assert f"column '{column}' is missing; the table has " in line
        assert line.endswith(", Patient")


def test_line_numbers_count_empty_lines_too(tables):
    spec, path, table = tables["manifest"]
    header, *rows = table.assign(lpd_vote=[0, -1, 0, 0]).to_csv(index=False).splitlines()
    path.write_text("\n".join([header, rows[0], "", "", *rows[1:]]))
    with pytest.raises(TableError, match="line 5: lpd_vote is -1"):
        open_dataset(str(spec), SETTINGS)


HEADER = ",".join(manifest([]).columns)
SQUEEZED = gzip.compress((HEADER + "\n" + "a.parquet,0,p,1,0,0,0,0,1\n" * 500).encode(), mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.csv", b"", "cannot be read as a CSV table"),
        ("m.csv", HEADER.encode(), "has a header but no rows"),
        ("m.csv", b"\xff\xfe\x00\x01", "cannot be read as a CSV table"),
        ("m.csv", HEADER.replace(",", ";").encode(), "column 'file' is missing"),
        ("m.csv.gz", SQUEEZED[: len(SQUEEZED) // 2], "cannot be read as a CSV table"),
        ("m.csv.gz", SQUEEZED[:20] + b"x" * 10 + SQUEEZED[30:], "cannot be read as a CSV table"),
    ],
    ids=["empty", "header only", "binary", "semicolons", "cut gzip", "damaged gzip"],
)
def test_a_file_that_is_no_table_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError) as caught:
        open_dataset(str(path), SETTINGS)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_what_is_no_data_set_is_told_what_there_is(tmp_path):
    with pytest.raises(TableError, match=r"'simm': no such folder or file; DATA is 'sim', 'sim:CONTROL', a folder"):
        open_dataset("simm", SETTINGS)
    with pytest.raises(TableError, match=rf"{tmp_path}: no train\.csv"):
        open_dataset(str(tmp_path), SETTINGS)


def test_a_compressed_manifest_is_read_like_any_other(tables, tmp_path):
    spec, path, table = tables["manifest"]
    save(table, path)
    squeezed = path.with_name("m.csv.gz")
    save(table, squeezed)
    pd.testing.assert_frame_equal(
        open_dataset(str(squeezed), SETTINGS).labels, open_dataset(str(spec), SETTINGS).labels
    )


# What is wrong with the files


def test_one_message_lists_every_problem_of_the_files(tmp_path):
    samples = noise(WINDOW_SAMPLES + 2000)
    whole = tmp_path / "whole.parquet"
    write_hms(whole, Recording.from_array(samples, CHANNELS, RATE_HZ))
    renamed = {"unknown": "Fpz", "doubled": "EEG FP2-REF"}
    for name, channel in renamed.items():
        channels = (channel, *CHANNELS[1:])
        write_hms(tmp_path / f"{name}.parquet", Recording.from_array(samples, channels, RATE_HZ))
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-100])
    (tmp_path / "text.parquet").write_text("Fp1,F3\n1,2\n")
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    names = [f"{name}.parquet" for name in (*renamed, "cut", "text", "absent")]
    rows = [(name, 0, number) for number, name in enumerate([*names, "table.xlsx"])]
    rows += [("whole.parquet", start, "w") for start in (0, 10, 10.002, 10.01, 400)]
    path = save(manifest(rows), tmp_path / "m.csv")
    with pytest.raises(TableError) as caught:
        open_dataset(str(path), SETTINGS)
    lines = str(caught.value).splitlines()
    assert re.fullmatch(rf"{path}, for a model that sees 50 s .*: 8 problems", lines[0])
    past = (
        "eeg_id whole.parquet: the 10 s from {} s (start_s {}) cannot be used: the model sees 50 s, from {} to {} s; "
    )
    past += "the recording has EEG without a gap from 0 to 60 s"
    for part in (
        "unknown.parquet: no channel for Fp1; needed are the 19",
        "doubled.parquet: two channels for one electrode: Fp2 and EEG FP2-REF (both Fp2)",
        *("cut.parquet: is a damaged Parquet file", "text.parquet: is not a Parquet file"),
        *(
            "absent.parquet: there is no such file",
            "table.xlsx: '.xlsx' is not a known format; known are .parquet",
        ),
        past.format("30.01", "10.01", "10.01", "60.01"),
        past.format("420", "400", "400", "450"),
    ):
        assert sum(part in line for line in lines) == 1, part


def test_a_start_of_zero_is_that_of_a_short_eeg_centred_in_its_window(tmp_path):
    write_hms(tmp_path / "short.parquet", recording(2000))
    dataset = open_dataset(str(save(manifest([("short.parquet", 0, "p")]), tmp_path / "m.csv")), SETTINGS)
    made = prepare(dataset, STANDARD, tmp_path / "cache")
    assert made.labels["made_up_share"].tolist() == [0.8]
    middle = standardise(dataset.recording("short.parquet"), STANDARD).signal
    assert_stored(made.signals[0][:, 4000:6000], middle, abs(middle).max())
    with pytest.raises(
        TableError,
        match=r"\(start_s 5\) cannot be used: the recording lasts 10 s, and .* the only 10 s .* start at 0 s",
    ):
        open_dataset(str(save(manifest([("short.parquet", 5, "p")]), tmp_path / "m.csv")), SETTINGS)


def test_windows_after_the_electrodes_came_off_are_refused(tmp_path):
    """The filter rings on for a minute; what counts is that the file holds a constant."""
    samples = noise(200 * RATE_HZ)
    samples[:, 100 * RATE_HZ :] = 0
    write_hms(tmp_path / "off.parquet", Recording.from_array(samples, CHANNELS, RATE_HZ))
    rows = [("off.parquet", start, "p") for start in (0, 50, 100, 120, 150)]
    dataset = open_dataset(str(save(manifest(rows), tmp_path / "m.csv")), SETTINGS)
    made = prepare(dataset, STANDARD, tmp_path / "cache")
    assert made.labels["start_s"].tolist() == [0, 50]
    assert made.refused["start_s"].tolist() == [100, 120, 150]


# Real data


def test_the_real_eegs_of_iiic(shared_data, tmp_path):
    dataset = open_dataset(str(shared_data / "iiic"), SETTINGS)
    made = prepare(dataset, STANDARD, tmp_path)
    assert len(dataset.labels) == len(made) == 32
    assert made.labels["made_up_share"].value_counts().to_dict() == {0.8: 20, 0.0: 12}
    assert dataset.labels["patient_id"].nunique() == 31
    assert np.isfinite(made.signals).all()
    spread = np.median(made.signals[:, :19].std(axis=2))
    assert 5 < spread < 100  # µV


def test_the_real_folder_of_the_competition(shared_data):
    dataset = open_dataset(str(shared_data / "hms"), SETTINGS)
    assert dataset.labels["eeg_id"].value_counts().to_dict() == {"1628180742": 9, "1000913311": 1}
    assert dataset.labels["window_id"].iloc[3] == "1628180742_2"
    assert dataset.labels["start_s"].tolist() == [0, 0, 6, 8, 18, 24, 26, 30, 36, 40]


@pytest.fixture(scope="module")
def all_votes(shared_data) -> pd.DataFrame:
    return read_hms_labels(shared_data / "hms" / "train_votes.csv.gz")


def test_the_real_label_table_of_the_competition(all_votes):
    assert len(all_votes) == 106_519
    assert all_votes["eeg_id"].nunique() == 17_001
    assert all_votes["patient_id"].nunique() == 1_945
    counts = pd.Series(strata(all_votes[list(VOTE_COLUMNS)].to_numpy())).value_counts()
    assert set(counts.index) == set(STRATA)
    assert counts.idxmax() == "idealized"


def test_a_control_is_a_data_set_and_an_unknown_one_lists_the_known():
    dataset = open_dataset("sim:joint", SETTINGS)
    assert dataset.name == "sim:joint (3 simulated patients, seed 7)"
    assert dataset.fingerprint() != open_dataset("sim", SETTINGS).fingerprint()
    for spec in ("sim:juice", "sim:"):
        with pytest.raises(
            UnknownNameError, match=r"unknown control '(juice)?'; known are: temporal, spatial, joint, null"
        ):
            open_dataset(spec, SETTINGS)


@pytest.mark.parametrize("values", [(0.5, 0.4), (1.2, -0.2), ("much", 0.0)])
def test_a_true_distribution_that_is_none_is_refused(tmp_path, values):
    write_folder(SimulatedDataset(SIM), tmp_path)
    table = pd.read_csv(tmp_path / "train.csv", dtype=str)
    table.loc[1, list(TRUE_COLUMNS)] = "0"
    table.loc[1, list(TRUE_COLUMNS[:2])] = [str(value) for value in values]
    save(table, tmp_path / "train.csv")
    with pytest.raises(
        TableError, match=r"1 problem\n.*line 3: .*_true.* are not a distribution; allowed are shares that sum"
    ):
        open_dataset(str(tmp_path), SETTINGS)


def test_a_change_of_one_sample_in_the_middle_of_a_large_file_is_seen(tmp_path):
    write_edf(tmp_path / "a.edf", Recording.from_array(noise(200 * 120), CHANNELS, 200, "a"))
    table = pd.DataFrame([{"file": "a.edf", "start_s": 0, "patient_id": "1", **dict.fromkeys(VOTE_COLUMNS, 1)}])
    table.to_csv(tmp_path / "votes.csv", index=False)
    content = bytearray((tmp_path / "a.edf").read_bytes())
    before = read_manifest(tmp_path / "votes.csv").fingerprint()
    content[len(content) // 2] ^= 1
    known = (tmp_path / "a.edf").stat()
    (tmp_path / "a.edf").write_bytes(content)
    os.utime(tmp_path / "a.edf", ns=(known.st_atime_ns, known.st_mtime_ns))
    assert read_manifest(tmp_path / "votes.csv").fingerprint() != before
