import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ictal.core.montage import CHANNELS, ELECTRODES, MONTAGES, Derivation, derivations_of
from ictal.core.recording import Gap, Recording
from ictal.errors import IctalError, ReadError, UnknownNameError, WriteError
from ictal.io import open_recording
from ictal.io.edf.writer import write_edf
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.report import results_folder
from ictal.report.results_folder import FORMATS, check_folder, check_names, score_file, signal_of
from ictal.scoring import scores as scores_module
from ictal.scoring.pipeline import score
from ictal.scoring.scores import Scores
from tests.scoring.helpers import Loudness, contract, eeg, recording_of


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
    done = score_file(night, Loudness(), tmp_path / "out", FORMATS, progress=lambda *what: told.append(what))
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
    runs = Loudness()
    with pytest.raises(
        UnknownNameError, match="unknown format 'pdf'; known are: parquet, csv, bids, edf, json, report"
    ):
        score_file(tmp_path / "nowhere.edf", runs, tmp_path, ["csv", "pdf"])


def test_a_folder_that_cannot_be_written_is_refused_before_an_hour_was_spent(night, tmp_path, monkeypatch):
    runs = Loudness()
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(WriteError, match=rf"{folder}: no file can be written .*file is a file and no folder"):
            score_file(night, runs, folder)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and real(path, mode))
    with pytest.raises(WriteError, match="a folder in which you may not write"):
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


def test_a_full_disk_is_one_error_and_leaves_nothing_half_written(night, tmp_path, monkeypatch):
    def fill(table: object, path: Path) -> None:
        Path(path).write_bytes(b"PAR1 and no more")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(scores_module.pq, "write_table", fill)
    with pytest.raises(WriteError, match=r"night_scores.parquet: cannot be written: No space left on device"):
        score_file(night, Loudness(), tmp_path, ["csv", "parquet", "json"])
    assert names(tmp_path) == {"night_scores.csv"}


def test_what_edf_cannot_hold_does_not_keep_the_rest_from_being_written(night, tmp_path, monkeypatch):
    def refuse(scores: Scores, folder: Path) -> list[Path]:
        raise IctalError("night: has gaps (1), which a new EDF+ file cannot store")

    monkeypatch.setitem(results_folder.WRITERS, "edf", refuse)
    with pytest.raises(IctalError, match="has gaps"):
        score_file(night, Loudness(), tmp_path, ["csv", "edf", "json"])
    assert names(tmp_path) == {"night_scores.csv", "night_summary.json"}


def test_a_recording_that_is_lost_before_its_report_is_called_by_its_name(tmp_path, night, monkeypatch):
    copy = tmp_path / "night.edf"
    copy.write_bytes(night.read_bytes())
    monkeypatch.setitem(results_folder.WRITERS, "csv", lambda scores, folder: copy.unlink() or [])
    with pytest.raises(ReadError, match=r"night.edf: cannot be read: there is no such file"):
        score_file(copy, Loudness(), tmp_path / "out", ["csv", "report"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_job_that_is_stopped_while_it_scores_leaves_nothing(night, tmp_path, error):
    def stop(*told: object) -> None:
        raise error

    with pytest.raises(error):
        score_file(night, Loudness(), tmp_path / "out", progress=stop)
    assert names(tmp_path) == set()


def test_the_samples_that_are_drawn_are_those_that_the_model_saw(night):
    recording = open_recording(night)
    show = signal_of(score(recording, Loudness()), recording)
    whole = standardise(recording, StandardiseSettings()).signal
    np.testing.assert_allclose(show(30.0, 41.5), whole[:, 6000:8300], atol=1e-3)
    np.testing.assert_allclose(show(110.0, 130.0), whole[:, 22_000:], atol=1e-3)
    assert show(500.0, 510.0).shape == (20, 0)


def test_what_the_recording_lacks_is_not_drawn_in_its_report(tmp_path, monkeypatch):
    """No EKG, an electrode that is missing for a second, one that is off, and a model that sees all filled."""
    samples = eeg(120)[:-1]
    samples[0, 10_000:10_400] = np.nan
    samples[4] = 7.0
    recording = Recording.from_array(samples, ELECTRODES, 200, "night")
    seen = {}
    monkeypatch.setattr(
        "ictal.report.recording_report.render_recording",
        lambda scores, signal_of, lost: seen.update(shown=signal_of(45.0, 55.0), lost=lost) or "",
    )
    scores = score(recording, Loudness())
    results_folder._write_report(scores, recording, tmp_path)
    gone = np.isnan(seen["shown"])
    assert gone[CHANNELS.index("EKG")].all()
    assert gone[4].all()
    assert np.flatnonzero(gone[0]).tolist() == list(range(1000, 1400))
    assert not gone[[row for row in range(19) if row not in (0, 4)]].any()
    assert seen["lost"] == ()
    assert np.isfinite(signal_of(scores, recording)(45.0, 55.0)).all()


def test_derivations_between_unconnected_parts_of_a_bipolar_recording_are_lost():
    pairs = [pair for pair in derivations_of(MONTAGES["double_banana"]) if str(pair) not in ("F7-T3", "Fz-Cz")]
    volts = eeg(60)
    rows = np.stack([volts[CHANNELS.index(a)] - volts[CHANNELS.index(b)] for a, b in pairs])
    recording = Recording.from_array(rows, [str(pair) for pair in pairs], 200, "bipolar")
    scores = score(recording, Loudness(contract(derivations=("Fp1-T3", "T3-O1"))))
    seen = results_folder._Seen(scores, recording)
    # T3 still hangs on O1, and F7 on Fp1, which the parasagittal chain joins; Fz is alone.
    assert seen.lost == (Derivation("Fz", "Cz"),)
    assert np.isnan(seen.recorded(10.0, 20.0)[CHANNELS.index("Fz")]).all()


def test_samples_behind_a_gap_are_drawn_at_their_true_time():
    plain = recording_of(eeg(200))
    gapped = replace(plain, gaps=(Gap(80.0, 1000.0),))
    show = signal_of(score(gapped, Loudness()), gapped)
    alone = recording_of(eeg(200)[:, 16_000:])
    expected = standardise(alone, StandardiseSettings()).signal
    np.testing.assert_allclose(show(1090.0, 1100.0), expected[:, 2000:4000], atol=1e-3)
    assert show(70.0, 90.0).shape == (20, 2000), "up to the gap"
    assert show(500.0, 510.0).shape == (20, 0)
