import errno
import os
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.core.montage import CHANNELS, ELECTRODES, MONTAGES, Derivation, derivations_of
from ictal.core.recording import Gap, Recording
from ictal.errors import IctalError, ReadError, UnknownNameError, WriteError
from ictal.io import open_recording
from ictal.io.edf.writer import write_edf
from ictal.preprocessing.channel_mapping import lost_derivations, map_channels
from ictal.preprocessing.runs import recorded_runs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.report import results_folder
from ictal.report.results_folder import (
    FORMATS,
    ModelInput,
    ResultsSettings,
    check_folder,
    check_names,
    score_file,
    window_of,
)
from ictal.scoring import scores as scores_module
from ictal.scoring.pipeline import score
from ictal.scoring.scores import Scores
from tests.scoring.helpers import Loudness, contract, eeg, recording_of

NIGHT = eeg(3000)
AS_IT_IS = StandardiseSettings(max_masked=0)


def loudness() -> Loudness:
    """Return an engine that masks no electrode: the seizure below is in one."""
    return Loudness(contract(standardise=AS_IT_IS))


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("night") / "night.edf"
    samples = eeg(120)
    samples[0, 6000:18_000] *= 30  # a seizure by the lights of `Loudness`
    write_edf(path, recording_of(samples.clip(-3000, 3000)))
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_every_format_is_written_and_the_recording_left_alone(night, tmp_path):
    before, told = night.read_bytes(), []
    done = score_file(
        night,
        loudness(),
        tmp_path / "out",
        ResultsSettings(formats=FORMATS),
        progress=lambda *what: told.append(what),
    )
    assert {path.name for path in done.files} == names(tmp_path / "out")
    assert names(tmp_path / "out") == {
        "night_scores.parquet",
        "night_scores.csv",
        "night_events.tsv",
        "night_events.json",
        "night_annotated.edf",
        "night_summary.json",
        "night_report.html",
    }
    assert night.read_bytes() == before
    assert Scores.read(tmp_path / "out" / "night_scores.parquet").events() == done.scores.events()
    assert told[-1] == ("writing", len(FORMATS), len(FORMATS))
    assert {task for task, *_ in told} == {"scoring", "writing"}


def test_a_format_that_there_is_not_is_refused_before_anything_is_read(tmp_path):
    runs = loudness()
    with pytest.raises(
        UnknownNameError, match="unknown format 'pdf'; known are: parquet, csv, bids, edf, json, report"
    ):
        score_file(tmp_path / "nowhere.edf", runs, tmp_path, ResultsSettings(formats=["csv", "pdf"]))


def test_a_folder_that_cannot_be_written_is_refused_before_an_hour_was_spent(night, tmp_path, monkeypatch):
    runs = loudness()
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(WriteError, match=rf"{folder}: no file can be written .*file is a file, not a folder"):
            score_file(night, runs, folder)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and real(path, mode))
    with pytest.raises(WriteError, match="a folder without write permission"):
        score_file(night, runs, tmp_path / "new" / "one")
    assert runs.asked == []
    assert names(tmp_path) == {"file"}


def test_folders_are_checked_and_not_made(tmp_path, monkeypatch):
    check_folder(tmp_path / "a" / "b")
    monkeypatch.chdir(tmp_path)
    check_folder(Path("c"))
    assert names(tmp_path) == set()


def test_results_that_would_have_one_name_are_refused():
    check_names([Path("a/night.edf"), Path("a/day.edf"), Path("sub-01_eeg.edf"), Path("sub-02_eeg.edf")])
    for other in ("b/night.edf", "night.bdf", "night_eeg.vhdr", "night.fif.gz", "a/night.edf"):
        with pytest.raises(WriteError, match=rf"a/night.edf and {other}: their results would have the same names"):
            check_names([Path("a/night.edf"), Path(other)])


def test_the_results_of_a_folder_are_named_by_the_recording_in_it(tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        (folder / "night.erd").touch()
    with pytest.raises(WriteError, match=r"a and .*b: their results would have the same names"):
        check_names(folders)
    (tmp_path / "b" / "other.erd").touch()
    check_names(folders)  # scoring 'b' says that it has two recordings


def test_a_full_disk_is_one_error_and_leaves_nothing_half_written(night, tmp_path, monkeypatch):
    def fill(table: object, path: Path) -> None:
        Path(path).write_bytes(b"PAR1 and no more")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scores_module.pq, "write_table", fill)
    with pytest.raises(WriteError, match=r"night_scores.parquet: cannot be written: No space left on device"):
        score_file(night, loudness(), tmp_path, ResultsSettings(formats=["csv", "parquet", "json"]))
    assert names(tmp_path) == {"night_scores.csv"}


def test_what_edf_cannot_hold_does_not_keep_the_rest_from_being_written(night, tmp_path, monkeypatch):
    def refuse(scores: Scores, folder: Path) -> list[Path]:
        raise IctalError("night: has gaps (1), which a new EDF+ file cannot store")

    monkeypatch.setitem(results_folder.WRITERS, "edf", refuse)
    with pytest.raises(IctalError, match="has gaps"):
        score_file(night, loudness(), tmp_path, ResultsSettings(formats=["csv", "edf", "json"]))
    assert names(tmp_path) == {"night_scores.csv", "night_summary.json"}


def test_a_recording_that_is_lost_before_its_report_is_called_by_its_name(tmp_path, night, monkeypatch):
    copy = tmp_path / "night.edf"
    copy.write_bytes(night.read_bytes())
    monkeypatch.setitem(results_folder.WRITERS, "csv", lambda scores, folder: copy.unlink() or [])
    with pytest.raises(ReadError, match=r"night.edf: cannot be read: there is no such file"):
        score_file(copy, loudness(), tmp_path / "out", ResultsSettings(formats=["csv", "report"]))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_job_that_is_stopped_while_it_scores_leaves_nothing(night, tmp_path, error):
    def stop(*told: object) -> None:
        raise error

    with pytest.raises(error):
        score_file(night, loudness(), tmp_path / "out", progress=stop)
    assert names(tmp_path) == set()


def test_the_samples_that_are_drawn_are_those_that_the_model_saw(night):
    recording = open_recording(night)
    given = ModelInput.of(score(recording, loudness()), recording)
    whole = standardise(recording, AS_IT_IS).signal
    drawn = given.recorded([(110.0, 130.0), (500.0, 510.0), (30.0, 41.5)])
    np.testing.assert_allclose(drawn[0], whole[:, 22_000:], atol=1e-3)
    assert drawn[1].shape == (20, 0)
    np.testing.assert_allclose(drawn[2], whole[:, 6000:8300], atol=1e-3)


@dataclass
class Counting:
    """A source that notes which samples are read."""

    samples: np.ndarray
    reads: list[tuple[int, int]] = field(default_factory=list)

    def read(self, start, stop, rows=None):
        self.reads.append((start, stop))
        return self.samples[list(rows), start:stop]


@given(starts=st.lists(st.integers(0, 2990), min_size=1, max_size=15))
@settings(max_examples=20)
def test_what_is_drawn_is_read_in_one_pass_and_no_sample_twice(starts):
    source = Counting(NIGHT)
    recording = Recording("night", CHANNELS, 200, NIGHT.shape[1], source, gaps=(Gap(1500.0, 60.0),))
    runs = recorded_runs(recording, map_channels(recording), "linear")
    drawn = ModelInput(runs, runs[0].mapping, StandardiseSettings()).recorded([(s, s + 10.0) for s in starts])
    assert source.reads == sorted(source.reads)
    assert all(stop <= start for (_, stop), (start, _) in pairwise(source.reads))
    assert len(source.reads) <= len(set(starts))
    for start_s, samples in zip(starts, drawn, strict=True):
        n_samples = 0 if 1500 <= start_s < 1560 else 200 * min(10, 1500 - start_s) if start_s < 1500 else 2000
        alone = ModelInput(runs, runs[0].mapping, StandardiseSettings()).recorded([(start_s, start_s + 10.0)])[0]
        assert samples.shape[1] == alone.shape[1] == n_samples
        np.testing.assert_allclose(samples, alone, atol=1e-3)


def test_a_report_opens_its_recording_once_however_many_windows_it_draws(night, tmp_path, monkeypatch):
    scores = score(night, loudness())
    recording, reads = open_recording(night), []
    source = recording.source

    def read(start, stop, rows=None):
        reads.append((start, stop))
        return source.read(start, stop, rows)

    counted = replace(recording, source=SimpleNamespace(read=read))
    (path,) = results_folder.write_report(scores, counted, tmp_path)
    assert path.read_text().count('<figure class="window">') >= 3
    assert reads == [(0, recording.n_samples)]


def test_what_the_recording_lacks_is_not_drawn_in_its_report():
    """No EKG, an electrode that is missing for a second, one that is off, and a model that sees all filled."""
    samples = eeg(120)[:-1]
    samples[0, 10_000:10_400] = np.nan
    samples[4] = 7.0
    recording = Recording.from_array(samples, ELECTRODES, 200, "night")
    scores = score(recording, loudness())
    given = ModelInput.of(scores, recording)
    gone = np.isnan(given.recorded([(45.0, 55.0)])[0])
    assert gone[CHANNELS.index("EKG")].all()
    assert gone[4].all()
    assert np.flatnonzero(gone[0]).tolist() == list(range(1000, 1400))
    assert not gone[[row for row in range(19) if row not in (0, 4)]].any()
    assert lost_derivations(given.mapping) == ()
    assert np.isfinite(window_of(scores, recording, 3)).all()


def test_what_was_interpolated_is_not_drawn_as_if_it_were_recorded():
    samples = eeg(120)
    samples[4, 4000:8000] += 500 * np.random.default_rng(0).normal(size=4000)
    recording = recording_of(samples)
    scores = score(recording, Loudness())
    gone = np.isnan(ModelInput.of(scores, recording).recorded([(15.0, 45.0)])[0])
    assert np.flatnonzero(gone[4]).tolist() == list(range(1000, 5000))
    assert not np.delete(gone, 4, axis=0).any()
    assert np.isfinite(window_of(scores, recording, 1)).all()


def test_derivations_between_unconnected_parts_of_a_bipolar_recording_are_lost():
    pairs = [pair for pair in derivations_of(MONTAGES["double_banana"]) if str(pair) not in ("F7-T3", "Fz-Cz")]
    volts = eeg(60)
    rows = np.stack([volts[CHANNELS.index(a)] - volts[CHANNELS.index(b)] for a, b in pairs])
    recording = Recording.from_array(rows, [str(pair) for pair in pairs], 200, "bipolar")
    scores = score(recording, Loudness(contract(derivations=("Fp1-T3", "T3-O1"))))
    given = ModelInput.of(scores, recording)
    # T3 is still joined to O1, and F7 to Fp1 by the parasagittal chain; Fz is alone.
    assert lost_derivations(given.mapping) == (Derivation("Fz", "Cz"),)
    assert np.isnan(given.recorded([(10.0, 20.0)])[0][CHANNELS.index("Fz")]).all()


def test_samples_behind_a_gap_are_drawn_at_their_true_time():
    plain = recording_of(eeg(200))
    gapped = replace(plain, gaps=(Gap(80.0, 1000.0),))
    given = ModelInput.of(score(gapped, loudness()), gapped)
    alone = recording_of(eeg(200)[:, 16_000:])
    expected = standardise(alone, StandardiseSettings()).signal
    behind, before, nothing = given.recorded([(1090.0, 1100.0), (70.0, 90.0), (500.0, 510.0)])
    np.testing.assert_allclose(behind, expected[:, 2000:4000], atol=1e-3)
    assert before.shape == (20, 2000), "up to the gap"
    assert nothing.shape == (20, 0)
