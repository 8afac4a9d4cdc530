"""One recording in, one table out: the columns and words of SzCORE, read by its own package, and scored by it."""

import os

import edfio
import numpy as np
import pandas as pd
import pytest
from timescoring.annotations import Annotation
from timescoring.scoring import EventScoring

from ictal.core.montage import ELECTRODES
from ictal.errors import ReadError, UsageError, WriteError
from ictal.io.edf.writer import write_edf
from ictal.scoring.reference_events import read_reference
from ictal.scoring.szcore import szcore
from ictal.simulator import simulate_recording
from tests.helpers import edf_signals
from tests.scoring.test_writers import SPANS, SZCORE, frame, scores

SZCORE_ORDER = (
    *("Fp1", "F3", "C3", "P3", "O1", "F7", "T3", "T5", "Fz", "Cz", "Pz"),
    *("Fp2", "F4", "C4", "P4", "O2", "F8", "T4", "T6"),
)
"""Of the benchmark's files, each against the average, at 256 Hz (epilepsybenchmarks.com/contribute)."""
SZCORE_HZ = 256


@pytest.fixture
def scored(monkeypatch):
    """Return a function that sets which scores are made, and writes their table."""

    def written(path, table):
        monkeypatch.setattr("ictal.scoring.szcore.score", lambda *_, **__: scores(table=table))
        return szcore("night.edf", path)

    return written


def read(path):
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def test_the_table_has_the_seizures_alone(scored, tmp_path):
    made = scored(tmp_path / "new" / "out.tsv", frame(18, SPANS))
    assert {event.pattern for event in made.events()} == {"seizure", "lpd", "grda"}
    table = read(tmp_path / "new" / "out.tsv")
    assert list(table.columns) == SZCORE
    known = ["sz", "0.9", "n/a", "2019-07-01 23:59:50", "240.5"]
    assert table.to_numpy().tolist() == [["30.0", "30.0", *known]]


@pytest.mark.parametrize("spans", [{}, {"lpd": (90, 120)}], ids=["calm", "no seizure"])
def test_without_a_seizure_the_whole_recording_is_background(scored, tmp_path, spans):
    scored(tmp_path / "out.tsv", frame(18, spans))
    known = ["n/a", "n/a", "2019-07-01 23:59:50", "240.5"]
    assert read(tmp_path / "out.tsv").to_numpy().tolist() == [["0.0", "240.5", "bckg", *known]]


def test_epilepsy2bids_reads_the_table_and_timescoring_scores_it(scored, tmp_path):
    # Installed without its dependencies: numba, which resampling needs, forbids the newest numpy.
    annotations = pytest.importorskip("epilepsy2bids.annotations")
    path = tmp_path / "out.tsv"
    spans = {"seizure": (40, 80), "lpd": (90, 120)}
    scored(path, frame(18, spans))
    theirs = annotations.Annotations.loadTsv(path)
    assert theirs.getEvents() == [(40, 80)]
    (event,) = theirs.events
    assert (event["confidence"], event["recordingDuration"]) == (0.9, 240.5)
    assert event["dateTime"].isoformat() == "2019-07-01T23:59:50"
    found = Annotation(theirs.getMask(1), 1)
    assert EventScoring(Annotation([(45, 70)], 1, len(found.mask)), found).f1 == 1
    # Ours reads the same from it.
    assert [(one.start_s, one.stop_s) for one in read_reference(path).events] == [(40, 80)]
    scored(path, frame(18, {}))
    calm = annotations.Annotations.loadTsv(path)
    assert calm.getEvents() == []
    assert calm.getMask(1).tolist() == [0] * 240


def test_a_recording_of_which_nothing_can_be_scored_makes_no_table(scored, tmp_path):
    path = tmp_path / "out.tsv"
    path.write_text("old")
    bad = tmp_path / "bad.edf"
    bad.write_text("no EEG")
    with pytest.raises(ReadError, match=r"bad.edf: "):
        szcore(bad, path)
    with pytest.raises(ReadError, match=r"night.edf: none of its 18 windows can be scored: only 10 % of the EEG"):
        scored(path, frame(18, {}, range(18)))
    assert path.read_text() == "old"
    scored(path, frame(18, SPANS, range(17)))  # a part is enough
    assert path.read_text().startswith("onset")


@pytest.mark.parametrize("name", ["", "out", "other.edf"])
def test_what_is_not_named_as_a_table_is_not_overwritten(scored, tmp_path, name):
    with pytest.raises(UsageError, match=r"cannot be the name of the table; allowed are names that end in .tsv"):
        scored(tmp_path / name, frame())
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_a_folder_that_is_only_read_is_written_in_place(scored, tmp_path, monkeypatch):
    # SzCORE's runner: touch predictions/tmp.tsv; chmod 776 predictions/tmp.tsv; docker run -v ./predictions:/output
    path = tmp_path / "out.tsv"
    path.touch()
    before = path.stat().st_ino
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)  # root may write everywhere; .ci/container is not so kind
        scored(path, frame())
    assert path.stat().st_ino == before
    assert list(read(path)) == SZCORE
    scored(path, frame())
    assert path.stat().st_ino != before, "elsewhere, a table is replaced as a whole"


def test_a_table_that_cannot_be_written_is_named(scored, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file/out.tsv: cannot be written: "):
        scored(tmp_path / "file" / "out.tsv", frame())


def test_a_recording_in_the_form_of_the_benchmark(tmp_path):
    night = simulate_recording(seed=1, patient=0, hours=0.1)
    write_edf(tmp_path / "night.edf", night)
    electrodes = night.read()[: len(ELECTRODES)]  # all but the EKG
    electrodes = electrodes - electrodes.mean(axis=0)
    at = np.arange(round(night.span_s * SZCORE_HZ)) / SZCORE_HZ
    times = np.arange(night.n_samples) / night.rate_hz
    rows = np.array([np.interp(at, times, electrodes[ELECTRODES.index(name)]) for name in SZCORE_ORDER])
    signals = edf_signals(rows.clip(-3000, 3000), [f"{name}-Avg" for name in SZCORE_ORDER], SZCORE_HZ, 3000)
    edfio.Edf(signals).write(tmp_path / "in.edf")
    ours, theirs = (szcore(tmp_path / name, tmp_path / f"{name}.tsv") for name in ("night.edf", "in.edf"))
    assert theirs.recording.rate_hz == SZCORE_HZ
    assert len(ours.frame) == len(theirs.frame)
    (a,), (b,) = (read_reference(tmp_path / f"{name}.tsv").events for name in ("night.edf", "in.edf"))
    assert a.start_s == pytest.approx(b.start_s, abs=10)
    assert a.stop_s == pytest.approx(b.stop_s, abs=10)
