"""A scored archive as a BIDS derivative data set."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from ictal.archive.bids_folder import archive_to_bids
from ictal.archive.bids_names import NAME, bids_names
from ictal.archive.bids_tables import SCORE_COLUMNS
from ictal.archive.ledger import Row, claim_ledger
from ictal.archive.partition import Partition
from ictal.archive.run_settings import ArchiveInfo, PartitionSettings
from ictal.archive.source import Entry, find_recordings
from ictal.errors import RunError, TableError, UsageError, WriteError
from ictal.scoring import event_files
from ictal.scoring.event_scoring import evaluate_files
from ictal.scoring.reference_events import read_reference
from ictal.scoring.scores import Scores
from tests.scoring.findings import findings_of
from tests.scoring.test_writers import frame, scores

RAW = (
    "sub-01/ses-1/eeg/sub-01_ses-1_task-rest_run-1_eeg.edf",
    "sub-01/ses-1/eeg/sub-01_ses-1_task-rest_run-2_eeg.edf",
    "sub-02/eeg/sub-02_task-rest_acq-low_eeg.vhdr",
)
WARD = ("ward 1/Ann Bell.edf", "ward 1/night.2.edf")
SETTINGS = PartitionSettings(model="small", weights_sha256="a", card="b", step_s=10, engine="auto", interpolate=0)
VALIDATOR = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))


@pytest.fixture(autouse=True)
def measured(monkeypatch) -> None:
    monkeypatch.setattr(Scores, "findings", findings_of)


class Archive:
    """An archive of scores that nobody computed."""

    def __init__(self, top: Path, names=RAW) -> None:
        self.folder, self.source = top / "scored", top / "raw"
        self.source.mkdir()
        self.partition = Partition(self.folder, SETTINGS.name)
        self.add(*names)
        scorings = {SETTINGS.name: SETTINGS}
        ArchiveInfo(source=str(self.source), n_recordings=len(names), model=SETTINGS.name, scorings=scorings).write(
            self.folder
        )

    def add(
        self, *names: str, state: str = "done", fingerprint: str = "f1", table: pd.DataFrame | None = None
    ) -> None:
        with claim_ledger(self.folder) as ledger:
            for name in names:
                entry = Entry(name, (f"{self.source}/{name}",), fingerprint)
                if state == "done":
                    self.partition.write(entry, scores(entry.address, table))
                ledger.append(Row(name, entry.address, fingerprint, SETTINGS.name, state))

    def to_bids(self, out: Path | None = None, **more):
        return archive_to_bids(self.folder, out or self.source / "derivatives" / "ictal", **more)


@pytest.fixture
def archive(tmp_path) -> Archive:
    made = Archive(tmp_path)
    (made.source / "dataset_description.json").write_text('{"Name": "ward", "BIDSVersion": "1.10.0"}')
    return made


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def names_csv(folder: Path, text: str) -> Path:
    path = folder / "names.csv"
    path.write_text(text)
    return path


def test_every_recording_has_its_files_under_its_own_entities(archive):
    out = archive.source / "derivatives" / "ictal"
    done = archive.to_bids()
    assert (done.n_written, done.n_kept, done.n_removed, done.failed) == (3, 0, 0, ())
    stems = {name.rpartition("_eeg")[0] for name in RAW}
    kinds = ("events.tsv", "events.json", "scores.tsv", "scores.json")
    top = {"dataset_description.json", "README.md", ".bidsignore", ".lock"}
    assert set(files(out)) - top == {f"{stem}_desc-ictal_{kind}" for stem in stems for kind in kinds}
    told = json.loads((out / "dataset_description.json").read_text())
    assert told["DatasetType"] == "derivative"
    assert told["GeneratedBy"][0]["Name"] == "ictal"
    assert told["SourceDatasets"] == [{"URL": "../.."}]
    assert (out / told["DatasetLinks"]["raw"]).resolve() == archive.source


def test_a_folder_that_is_no_data_set_is_not_named(archive, tmp_path):
    """It may have the name of a patient."""
    (archive.source / "dataset_description.json").unlink()
    archive.to_bids(tmp_path / "out")
    for path in filter(Path.is_file, (tmp_path / "out").rglob("*")):
        assert archive.source.as_posix() not in path.read_text(), path


def test_events_and_scores_are_those_of_the_archive(archive, tmp_path):
    archive.to_bids(tmp_path / "out")
    base = tmp_path / "out" / RAW[0].replace("_eeg.edf", "_desc-ictal")
    known = Scores.read(archive.partition.file("scores", Entry(RAW[0], ("",), "")))
    table = pd.read_csv(f"{base}_scores.tsv", sep="\t")
    assert list(table) == list(SCORE_COLUMNS) == [*json.loads(Path(f"{base}_scores.json").read_text())][:-2]
    assert table["onset"].tolist() == known.frame["start_s"].tolist()
    assert table["seizure_probability"].tolist() == pytest.approx(
        known.frame["seizure_probability"].tolist(), abs=1e-6
    )
    assert table["reason"].isna().all()
    read = read_reference(f"{base}_events.tsv")
    events = [(event.start_s, event.stop_s, event.pattern) for event in known.events()]
    assert [(event.start_s, event.stop_s, event.pattern) for event in read.events] == events
    sidecar = json.loads(Path(f"{base}_events.json").read_text())
    assert sidecar["Sources"] == [f"bids:raw:{RAW[0]}"]


def test_events_are_compared_with_those_of_the_raw_data_set(archive, tmp_path):
    archive.to_bids(tmp_path / "out")
    for name in RAW:
        path = tmp_path / "truth" / name.rpartition("_eeg")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}_events.tsv").write_text(
            "onset\tduration\teventType\trecordingDuration\n30\t30\tsz\t240.5\n"
        )
    found = evaluate_files(tmp_path / "out", tmp_path / "truth")
    assert (len(found.files), found.events.sensitivity, found.events.precision) == (3, 1, 1)


def test_a_second_call_writes_only_what_is_new_and_removes_what_is_gone(archive, tmp_path):
    out = tmp_path / "out"
    archive.to_bids(out)
    before = files(out)
    assert archive.to_bids(out).n_kept == 3
    assert files(out) == before
    archive.add(RAW[0], fingerprint="f2", table=frame(18, {}))
    archive.add(RAW[2], state="failed")
    done = archive.to_bids(out)
    assert (done.n_written, done.n_kept, done.n_removed) == (1, 1, 1)
    after = files(out)
    assert {name for name in before if before[name] != after.get(name, before[name])} == {
        RAW[0].replace("_eeg.edf", f"_desc-ictal_{kind}") for kind in ("events.tsv", "events.json", "scores.tsv")
    }
    assert set(before) - set(after) == {name for name in before if name.startswith("sub-02")}
    assert not (out / "sub-02").exists()


@pytest.mark.parametrize("n_before", range(12))
def test_a_call_that_is_killed_anywhere_is_resumed_and_ends_in_the_same_files(
    archive, tmp_path, monkeypatch, n_before
):
    archive.to_bids(tmp_path / "whole")
    count, replaced = iter(range(100)), Path.replace

    def dying(self: Path, target: Path) -> Path:
        if target.name.startswith("sub-") and next(count) == n_before:
            raise KeyboardInterrupt
        return replaced(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        archive.to_bids(tmp_path / "out")
    monkeypatch.undo()
    monkeypatch.setattr(Scores, "findings", findings_of)
    done = archive.to_bids(tmp_path / "out")
    assert done.n_kept == n_before // 4
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_recording_without_its_results_is_named_and_the_others_are_written(archive, tmp_path):
    missing, damaged = (Entry(name, ("",), "") for name in RAW[:2])
    archive.partition.file("burden", missing).unlink()
    archive.partition.file("scores", damaged).write_bytes(b"PAR1")
    done = archive.to_bids(tmp_path / "out")
    assert (done.n_written, len(done.failed)) == (1, 2)
    assert done.failed[0] == f"{RAW[0]}: its results are missing; repeat 'ictal score-archive'"
    assert "cannot be read as Parquet" in done.failed[1]


def test_recordings_without_bids_names_need_a_table(tmp_path):
    archive, out = Archive(tmp_path, WARD), tmp_path / "out"
    with pytest.raises(UsageError, match=r"2 of 2 recordings have no BIDS name .*: ward 1/Ann Bell\.edf, .*--names"):
        archive.to_bids(out)
    assert not out.exists()
    names = names_csv(tmp_path, f"recording,subject,session,run\n{WARD[0]},sub-A1,,\n{WARD[1]},A1,night2,02\n")
    archive.to_bids(out, names=names)
    written = files(out)
    assert {name for name in written if name.endswith("events.tsv")} == {
        "sub-A1/eeg/sub-A1_task-monitoring_desc-ictal_events.tsv",
        "sub-A1/ses-night2/eeg/sub-A1_ses-night2_task-monitoring_run-02_desc-ictal_events.tsv",
    }
    assert not any(b"Ann" in content for content in written.values()), "the names of files may name patients"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (f"{WARD[0]},A1,,\n", r"recording 'ward 1/night\.2\.edf' of the archive is missing"),
        (f"{WARD[0]},A-1,,\n{WARD[1]},,,x\n", r"(?s)line 2: subject 'A-1'; .*line 3: run 'x'; .* digits"),
        (f"{WARD[0]},A1,,\n{WARD[0]},A1,,\n", "line 3: recording 'ward 1/Ann Bell.edf' is there twice"),
        (f"{WARD[0]},A1,,\n{WARD[1]},a1,,\n", "'sub-a1_task-monitoring' would be ward 1/Ann Bell.edf, ward 1/night"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_is_refused_with_every_line(rows, problem, tmp_path):
    with pytest.raises(TableError, match=problem):
        bids_names(WARD, names_csv(tmp_path, f"recording,subject,session,run\n{rows}"))


labels = st.text("abcXYZ019", min_size=1, max_size=4)


@given(labels, st.none() | labels, labels, st.lists(st.tuples(st.sampled_from(["acq", "run"]), labels), max_size=2))
def test_the_entities_of_a_raw_file_are_kept(subject, session, task, others):
    ses = f"_ses-{session}" if session else ""
    stem = f"sub-{subject}{ses}_task-{task}" + "".join(f"_{key}-{label}" for key, label in others)
    recording = f"any/where/{stem}_eeg.edf"
    (name,) = bids_names([recording]).values()
    assert name.stem == stem
    assert name.folder.parts == (f"sub-{subject}", *([f"ses-{session}"] if session else []), "eeg")


@pytest.mark.parametrize(
    "name", ["sub-01_eeg", "sub-0 1_task-a_eeg", "sub-é_task-a_eeg", "task-a_eeg", "sub-1_task-a"]
)
def test_what_only_looks_like_a_bids_name_is_none(name):
    assert NAME.fullmatch(name) is None


def test_another_folder_is_left_alone(archive, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    for out in (tmp_path / "full", archive.source):
        before = files(out)
        with pytest.raises(
            RunError, match=r"contains files, not 'Scores and events of small-.*'; name a new or empty"
        ):
            archive.to_bids(out)
        assert files(out) == before
    archive.to_bids(tmp_path / "out")
    told = json.loads((tmp_path / "out" / "dataset_description.json").read_text())
    told["GeneratedBy"][0]["Description"] = "Scores and events of other-1"
    (tmp_path / "out" / "dataset_description.json").write_text(json.dumps(told))
    with pytest.raises(RunError, match="contains 'Scores and events of other-1', not"):
        archive.to_bids(tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises((RunError, WriteError), match="file"):
        archive.to_bids(tmp_path / "file")


def test_two_calls_at_once_are_refused(archive, tmp_path):
    archive.to_bids(tmp_path / "out")
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(RunError, match="another process is writing"):
        archive.to_bids(tmp_path / "out")


def test_an_archive_without_results_is_refused(tmp_path):
    archive = Archive(tmp_path, ())
    archive.add(RAW[0], state="failed")
    with pytest.raises(RunError, match="no recording is done yet"):
        archive.to_bids(tmp_path / "out")


def test_derivatives_within_the_source_are_not_scored(archive):
    (archive.source / RAW[0]).parent.mkdir(parents=True)
    (archive.source / RAW[0]).touch()
    archive.to_bids()
    assert [entry.recording for entry in find_recordings(str(archive.source))] == [RAW[0]]


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATOR, reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("names", [RAW, WARD], ids=["raw", "ward"])
def test_the_official_validator_finds_no_error(names, tmp_path, monkeypatch):
    table = "recording,subject,session,run\n" + "".join(f"{name},{n},,1\n" for n, name in enumerate(WARD))
    archive, out = Archive(tmp_path, names), tmp_path / "out"
    given = {"names": names_csv(tmp_path, table)} if names is WARD else {}
    archive.to_bids(out, **given)
    assert issues(out, "error") == []
    assert set(issues(out, "warning")) <= {"TOO_FEW_AUTHORS"}
    monkeypatch.setattr(event_files, "SIDECAR", replace_tag(event_files.SIDECAR))
    shutil.rmtree(out)
    archive.to_bids(out, **given)
    assert "HED_ERROR" in issues(out, "error"), "a wrong tag is not seen, so right ones prove nothing"


def replace_tag(sidecar: dict) -> dict:
    return sidecar | {"trial_type": sidecar["trial_type"] | {"HED": {"seizure": "No-such-tag"}}}


def issues(out: Path, severity: str) -> list[str]:
    told = subprocess.run([VALIDATOR, str(out), "--format", "json"], capture_output=True, text=True, check=False)
    found = json.loads(told.stdout)["issues"]["issues"]
    return [one["code"] for one in found if one["severity"] == severity]


def test_mne_bids_finds_the_events_of_each_recording(archive, tmp_path):
    mne_bids = pytest.importorskip("mne_bids")
    archive.to_bids(tmp_path / "out")
    for name in RAW:
        path = mne_bids.get_bids_path_from_fname(archive.source / name, check=False)
        path.update(root=tmp_path / "out", description="ictal", suffix="events", extension=".tsv", check=False)
        assert path.fpath.is_file()
        assert path.match() == [path]
