"""What MNE-Python warns of reaches the user, and no text of Python's own does."""

import logging
import struct
import warnings
from dataclasses import replace

import mne
import numpy as np
import pytest
from typer.testing import CliRunner

from ictal.cli import app
from ictal.errors import ReadError
from ictal.io import open_recording
from ictal.io.mne_formats.messages import ReaderMessages, collect_messages
from ictal.io.mne_formats.reader import from_raw
from ictal.scoring.pipeline import score
from ictal.scoring.recording_info import describe
from ictal.web.details import details
from ictal.web.library import Item
from tests.io.test_times import write_nihon

MESSAGES = {
    "Omitted 3 annotation(s) that were outside data range.": [
        "3 of its annotations are outside its samples and are left out"
    ],
    "FIF raw buffer could not be read, acquisition error likely: 100 samples set to zero": [
        "100 samples could not be read and are zero"
    ],
    "The data contains 'boundary' events, indicating data discontinuities. Be cautious.": [],
    "Something else\nof v1.2. Nobody knows it. See the docs.": ["MNE-Python warns: Something else of v1.2"],
}
DOUBTS = {
    "Channel names are not unique, found duplicates for: ['Fp1']. Applying running numbers.": "same name: 'Fp1'",
    "Header information is incorrect for record length. Default record length set to 1.": "the length of its records",
    "All EEG channels are not referenced to the same electrode.": "different references",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_warning_becomes_a_note_in_plain_words_once(message):
    messages = ReaderMessages()
    with collect_messages("a", messages):
        for _ in range(3):
            warnings.warn(message, RuntimeWarning, stacklevel=1)
    assert (messages.notes, messages.doubts) == (MESSAGES[message], [])


@pytest.mark.parametrize("message", DOUBTS)
def test_what_makes_sides_times_or_voltages_doubtful_is_a_doubt(message):
    messages = ReaderMessages()
    with collect_messages("a", messages):
        warnings.warn(message, RuntimeWarning, stacklevel=1)
    assert messages.notes == []
    assert DOUBTS[message] in messages.doubts[0]


def test_what_is_logged_is_heard_too_and_what_concerns_programmers_is_not():
    messages = ReaderMessages()
    with collect_messages("a", messages):
        logging.getLogger("mne").warning("Logged %s", "here")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert messages.notes == ["MNE-Python warns: Logged here"]
    assert not any(
        type(handler).__module__ == "ictal.io.mne_formats.messages" for handler in logging.getLogger("mne").handlers
    )


# Nihon Kohden: names in a file of their own


@pytest.fixture
def nihon(tmp_path):
    path = tmp_path / "a.EEG"
    write_nihon(path, 100)
    return path


@pytest.mark.parametrize("suffix", [".21E", ".21e"])
def test_names_of_channels_are_found_in_either_case(nihon, suffix):
    nihon.with_suffix(".21E").rename(nihon.with_suffix(suffix))
    made = open_recording(nihon)
    assert made.channels == ("Fp1", "C3", "O2")
    assert not made.doubts
    assert np.isfinite(made.read()).all()


def test_channels_without_names_are_refused_or_accepted_with_a_note(nihon):
    nihon.with_suffix(".21E").unlink()
    words = r"a\.EEG: its channel names are unknown.*left and right may be swapped\. .*--accept-doubtful"
    with pytest.raises(ReadError, match=words):
        open_recording(nihon)
    made = open_recording(nihon, accept_doubtful=True)
    assert made.notes[0].startswith("accepted although doubtful: its channel names are unknown")
    assert describe(made).notes == made.notes


def test_the_commands_say_what_to_do_and_heed_it(nihon):
    nihon.with_suffix(".21E").unlink()
    refused = CliRunner().invoke(app, ["info", str(nihon)])
    assert refused.exit_code != 0
    accepted = CliRunner().invoke(app, ["info", "--accept-doubtful", str(nihon)])
    assert accepted.exit_code == 0
    for command in ("info", "score", "view", "score-archive"):
        assert "--accept-doubtful" in CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output


def test_a_recording_handed_in_with_doubts_is_refused_by_score(nihon):
    nihon.with_suffix(".21E").unlink()
    doubtful = replace(open_recording(nihon, accept_doubtful=True), doubts=("its sides are not known",))
    with pytest.raises(ReadError, match="its sides are not known"):
        score(doubtful)


# Warnings while samples are read


class Warner(mne.io.RawArray):
    def get_data(self, *args, **kwargs):
        warnings.warn("FIF raw buffer could not be read: 7 samples set to zero", RuntimeWarning, stacklevel=1)
        return super().get_data(*args, **kwargs)


def test_a_warning_while_samples_are_read_is_a_note_of_the_recording_info_and_viewer():
    names = ["Fp1", "F7", "T3", "T5", "O1"]
    raw = Warner(
        np.random.default_rng(0).normal(0, 5e-5, (5, 2000)), mne.create_info(names, 100, "eeg"), verbose="ERROR"
    )
    made = from_raw(raw)
    assert made.all_notes == ()
    made.read(0, 10)
    said = ("7 samples could not be read and are zero",)
    assert made.all_notes == said
    assert describe(made).notes == said
    assert details(Item("0", None, made, "a"), withheld=False)["notes"] == list(said)


# Errors


@pytest.mark.parametrize(
    "parse",
    [lambda: {}["sfreq"], lambda: struct.unpack("<I", b""), lambda: int(""), lambda: [][0], lambda: np.zeros(3)[9]],
)
def test_errors_of_python_become_words(parse):
    words = r"^a: cannot be read: it is damaged, truncated, or not in the format of its suffix$"
    with pytest.raises(ReadError, match=words), collect_messages("a", ReaderMessages()):
        parse()


def test_errors_that_mne_means_for_people_stay():
    with (
        pytest.raises(ReadError, match=r"^a: cannot be read: .*none_raw\.fif"),
        collect_messages("a", ReaderMessages()),
    ):
        mne.io.read_raw_fif("none_raw.fif", verbose="ERROR")
