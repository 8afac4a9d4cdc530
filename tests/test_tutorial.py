"""The commands of docs/tutorial.md, run as they stand, and what they leave."""

import re
from pathlib import Path

import mne
import numpy as np
import pyedflib
import pytest

import ictal
from tests.pages import ROOT, code_of, in_shell

TUTORIAL = ROOT / "docs" / "tutorial.md"


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """Return the folder in which every shell block of the tutorial was run, in order."""
    folder = tmp_path_factory.mktemp("tutorial")
    commands = code_of(TUTORIAL, "bash")
    assert len(commands) == 5
    in_shell("\n".join(commands), folder)
    return folder


def test_every_file_that_the_tutorial_names_is_there(done):
    named = re.findall(r"`(night_[a-z.]+)`", TUTORIAL.read_text(encoding="utf-8"))
    assert len(named) >= 5
    for name in named:
        assert (done / "scored" / name).stat().st_size > 0, name


def test_the_annotated_copy_opens_elsewhere_with_every_event_at_its_time(done):
    scores = ictal.score(done / "night.edf")
    events = [(event.start_s, event.duration_s) for event in scores.events()]
    assert events
    copy = done / "scored" / "night_annotated.edf"
    with pyedflib.EdfReader(str(copy)) as reader:
        theirs = list(zip(*reader.readAnnotations(), strict=True))
    of_pyedflib = [(float(onset), float(duration)) for onset, duration, text in theirs if text.startswith("ictal:")]
    of_mne = [
        (note["onset"], note["duration"])
        for note in mne.read_annotations(copy)
        if note["description"].startswith("ictal:")
    ]
    for found in (of_pyedflib, of_mne):
        np.testing.assert_allclose(sorted(found), sorted(events), rtol=0, atol=1e-4)


def test_the_python_of_the_tutorial_runs(done, monkeypatch, capsys):
    monkeypatch.chdir(done)
    (code,) = code_of(TUTORIAL, "python")
    exec(compile(code, str(TUTORIAL), "exec"), {})
    told = capsys.readouterr().out
    assert "seizure_probability" in told
    assert (done / "night.png").stat().st_size > 10_000
