"""Scores of a joined recording are those of the recording in one file, cut anywhere."""

import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import ictal
from ictal.cli import app
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Annotation, Gap, Recording
from ictal.errors import IctalError
from ictal.io.edf.writer import write_edf
from ictal.io.recording_files import recording_hash
from ictal.models.hub import find_model
from ictal.scoring.engines import open_engine
from ictal.scoring.scores import Scores
from ictal.simulator import simulate_recording
from ictal.terminology.words import event_sentence, recording_paragraph
from tests.io.test_joined import edf
from tests.scoring.helpers import eeg, recording_of

START = datetime(2024, 2, 29, 23, 59, 30, 123_000)
SECONDS = 150


@pytest.fixture(scope="module")
def engine():
    return open_engine(find_model("default"), threads=1)


def check(joined: Scores, whole: Scores) -> None:
    """Compare everything that is scored and found."""
    pd.testing.assert_frame_equal(joined.frame, whole.frame, check_exact=False, rtol=0, atol=1e-6)
    columns = list(PROBABILITY_COLUMNS)
    np.testing.assert_allclose(joined.frame[columns], whole.frame[columns], rtol=0, atol=1e-6)
    found = [scores.findings() for scores in (joined, whole)]
    assert recording_paragraph(found[0]) == recording_paragraph(found[1])
    assert [*map(event_sentence, found[0].events)] == [*map(event_sentence, found[1].events)]
    assert [text for *_, text in joined.recording.annotations] == [text for *_, text in whole.recording.annotations]
    onsets = [[onset_s for onset_s, *_ in scores.recording.annotations] for scores in (joined, whole)]
    assert onsets[0] == pytest.approx(onsets[1])


@pytest.mark.slow
@settings(max_examples=8)
@given(edges=st.lists(st.integers(40, SECONDS * 20 - 40), unique=True, min_size=1, max_size=4).map(sorted))
def test_pieces_cut_anywhere_have_the_scores_of_the_whole(engine, edges):
    """Cuts are at multiples of 50 ms; EDF+ states the fraction of a second in the onset."""
    samples = eeg(SECONDS).clip(-499, 499)
    ends = [0, *(edge for edge, after in pairwise([*edges, SECONDS * 20]) if after - edge > 20), SECONDS * 20]
    with tempfile.TemporaryDirectory() as folder:
        whole = edf(Path(folder) / "whole.edf", samples, START)
        paths = [
            edf(
                Path(folder) / f"n_{n}.edf", samples[:, 10 * first : 10 * last], START + timedelta(seconds=first / 20)
            )
            for n, (first, last) in enumerate(pairwise(ends))
        ]
        joined, alone = ictal.score(ictal.join(paths[::-1]), engine), ictal.score(whole, engine)
        check(joined, alone)
        assert joined.events() == alone.events()


def test_a_missing_sample_is_a_gap_that_only_windows_across_it_notice(engine, tmp_path):
    """As in one recording with that gap; and before the cut as if nothing were missing."""
    samples = eeg(SECONDS).clip(-499, 499)
    cut, lost = 70 * 200, 10
    parts = [samples[:, :cut], samples[:, cut + lost :]]
    times = [START, START + timedelta(seconds=(cut + lost) / 200)]
    paths = [edf(tmp_path / f"n_{n}.edf", *one) for n, one in enumerate(zip(parts, times, strict=True))]
    read = ictal.read(edf(tmp_path / "whole.edf", samples, START))
    kept = np.delete(read.read(), np.s_[cut : cut + lost], axis=1)
    gap = Gap(cut / 200, lost / 200)
    expected = replace(Recording.from_array(kept, read.channels, 200), gaps=(gap,), limits_uv=read.limits_uv)
    found = ictal.score(ictal.join(paths), engine)
    check(found, ictal.score(expected, engine))
    whole = ictal.score(read, engine).frame
    columns, early = list(PROBABILITY_COLUMNS), whole["stop_s"] < cut / 200 - 50
    np.testing.assert_allclose(found.frame[columns][: early.sum()], whole[columns][early], rtol=0, atol=1e-4)
    assert not ((found.frame["start_s"] < 70) & (found.frame["stop_s"] > 70)).any()


# The command line


def write_night(folder: Path) -> list[Path]:
    """Write a minute and a half of simulated EEG as three files, and as one."""
    night = replace(simulate_recording(1, 0, 0.025), annotations=(Annotation(70.0, 1.0, "cough"),))
    write_edf(folder / "whole.edf", night)
    paths = []
    for number in range(3):
        part = Recording.from_array(night.read(6000 * number, 6000 * (number + 1)), night.channels, 200)
        notes = (Annotation(10.0, 1.0, "cough"),) if number == 2 else ()
        paths.append(folder / f"night_{number + 1:02}.edf")
        write_edf(paths[-1], replace(part, start=night.start + timedelta(seconds=30 * number), annotations=notes))
    return paths


def test_the_command_writes_the_results_of_one_recording_with_its_pieces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = write_night(tmp_path)
    names = [path.name for path in paths]
    result = CliRunner().invoke(app, ["score", *names[::-1], "--join", "--formats", "parquet,csv,bids,json"])
    assert result.exit_code == 0, result.output
    assert "night: 1 min 30 s scored in" in result.output
    found = Scores.read(tmp_path / "ictal_night" / "night_scores.parquet")
    check(found, ictal.score(tmp_path / "whole.edf"))
    assert [(piece.name, piece.onset_s) for piece in found.recording.pieces] == list(
        zip(names, (0, 30, 60), strict=True)
    )
    pieces = found.recording.pieces
    assert [piece.content for piece in pieces] == [recording_hash(path) for path in paths]
    assert pieces[1].start == ictal.read(paths[1]).start
    assert (tmp_path / "ictal_night" / "night_events.tsv").exists()
    assert found.recording.notes[0] == "joined from 3 pieces: night_01.edf, night_02.edf, night_03.edf"


def test_info_describes_the_joined_recording(tmp_path):
    paths = write_night(tmp_path)
    result = CliRunner().invoke(app, ["info", "--join", *map(str, paths)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == str(tmp_path / "night")
    assert lines[1].startswith("  1 min 30 s, from ")
    assert "can be scored by the model 'default': 9 windows" in result.output


def test_info_says_how_long_a_gap_of_less_than_a_second_is(tmp_path):
    starts = [START, START + timedelta(seconds=40.05)]
    paths = [edf(tmp_path / f"n_{number}.edf", start=start) for number, start in enumerate(starts)]
    result = CliRunner().invoke(app, ["info", "--join", *map(str, paths)])
    assert "1 gap, 0.05 s in all" in result.output, result.output


def test_pieces_that_cannot_be_joined_are_one_error(tmp_path):
    paths = write_night(tmp_path)
    result = CliRunner().invoke(app, ["score", "--join", *map(str, paths), str(tmp_path / "whole.edf")])
    assert isinstance(result.exception, IctalError)
    assert "night_01.edf and whole.edf begin at the same time" in str(result.exception)
    assert not (tmp_path / "ictal_night").exists()


def test_a_copy_with_annotations_is_one_file_with_the_gaps(engine, tmp_path):
    paths = write_night(tmp_path)
    night = ictal.join(paths[::2])
    scores = ictal.score(night, engine)
    (path,) = scores.to_edf(tmp_path)
    copy = ictal.read(path)
    assert (path.name, copy.start) == ("night_annotated.edf", night.start)
    assert copy.gaps == night.gaps == (Gap(30.0, 30.0),)
    assert {note.text for note in night.annotations} < {note.text for note in copy.annotations}
    assert len(copy.annotations) == len(night.annotations) + len(scores.findings().events)
    np.testing.assert_allclose(copy.read(0, copy.n_samples), night.read(0, night.n_samples), atol=0.5)
    paths[2].unlink()
    with pytest.raises(IctalError, match=r"night_03\.edf: there is no such file; an annotated copy needs the recor"):
        scores.to_edf(tmp_path)


def test_a_piece_that_vanishes_while_others_are_scored_is_named(engine, tmp_path):
    paths = write_night(tmp_path)
    night = ictal.join(paths)
    paths[1].unlink()
    with pytest.raises(IctalError, match=r"night_02\.edf: cannot be read: there is no such file"):
        ictal.score(night, engine)


def test_recordings_in_memory_are_joined_without_hashes(engine):
    parts = [recording_of(eeg(30, seed=n), start=START + timedelta(seconds=30 * n), name=f"p{n}") for n in range(2)]
    pieces = ictal.score(ictal.join(parts), engine).recording.pieces
    assert [(piece.name, piece.content) for piece in pieces] == [("p0", ""), ("p1", "")]
