import shutil
from pathlib import Path

import edfio
import pytest

from ictal.core.recording import Annotation
from ictal.errors import ReadError
from ictal.io import open_recording
from tests.helpers import edf_signals, noise

CHANNELS = ("Fp1", "C3", "Oz", "ECG")
STEM = "sub-01_ses-1_task-rest"
UNDATED = "its date is unknown; 1985-01-01 stands for it"


@pytest.fixture
def root(tmp_path) -> Path:
    """A data set of one recording with sidecars."""
    folder = tmp_path / "set" / "sub-01" / "ses-1" / "eeg"
    folder.mkdir(parents=True)
    notes = [edfio.EdfAnnotation(1, None, "seizure"), edfio.EdfAnnotation(5, 2, "own")]
    edfio.Edf(edf_signals(noise(2560, n_channels=4), CHANNELS, 256), annotations=notes).write(
        folder / f"{STEM}_eeg.edf"
    )
    (folder / f"{STEM}_channels.tsv").write_text(
        "name\ttype\tunits\tstatus\nFp1\tEEG\tµV\tgood\nC3\tEEG\tµV\tbad\nECG\tECG\tµV\tn/a\n", encoding="utf-8"
    )
    (folder / f"{STEM}_events.tsv").write_text(
        "onset\tduration\ttrial_type\tvalue\n1.004\tn/a\tseizure\t7\n2.5\t0.5\tn/a\tgpd\nn/a\t1\tlost\t1\n8\t1\tseizure\t7\n"
    )
    (tmp_path / "set" / "derivatives").mkdir()
    shutil.copy(folder / f"{STEM}_eeg.edf", tmp_path / "set" / "derivatives" / "sub-01_task-x_eeg.edf")
    return tmp_path / "set"


def eeg(root: Path) -> Path:
    return root / "sub-01" / "ses-1" / "eeg"


def test_types_and_bad_channels_become_kinds(root):
    made = open_recording(eeg(root) / f"{STEM}_eeg.edf")
    assert dict(zip(made.channels, made.kinds, strict=True)) == {"Fp1": "eeg", "C3": "bad", "Oz": "", "ECG": "ecg"}
    assert made.notes == (UNDATED, "marked as bad, and not used: C3")


def test_events_are_added_but_those_that_the_file_has(root):
    assert open_recording(eeg(root) / f"{STEM}_eeg.edf").annotations == (
        Annotation(1.0, 0.0, "seizure"),
        Annotation(2.5, 0.5, "gpd"),
        Annotation(5.0, 2.0, "own"),
        Annotation(8.0, 1.0, "seizure"),
    )


def test_units_of_the_sidecar_serve_where_the_file_has_none(root):
    path = eeg(root) / f"{STEM}_eeg.edf"
    samples = open_recording(path).read()
    path.write_bytes(path.read_bytes().replace(b"uV      " * 4, b"        " * 4, 1))
    made = open_recording(path)
    assert made.channels == ("Fp1", "C3", "ECG")  # Oz is not in the sidecar
    assert (made.read() == samples[[0, 1, 3]]).all()
    (eeg(root) / f"{STEM}_channels.tsv").unlink()
    with pytest.raises(ReadError, match="the voltages of Fp1, C3 are unknown: their unit is ''"):
        open_recording(path)


def test_sidecars_of_other_names_are_not_heeded(root):
    path = shutil.copy(eeg(root) / f"{STEM}_eeg.edf", eeg(root) / "sub-01_ses-1_task-move_eeg.edf")
    assert open_recording(path).notes == (UNDATED,)
    assert len(open_recording(path).annotations) == 2


@pytest.mark.parametrize("below", [".", "sub-01", "sub-01/ses-1", "sub-01/ses-1/eeg"])
def test_a_folder_with_one_recording_opens_it(root, below):
    assert open_recording(root / below).name == str(
        root / below / (eeg(root) / f"{STEM}_eeg.edf").relative_to(root / below)
    )


def test_a_folder_with_several_recordings_or_none_is_refused(root):
    shutil.copy(eeg(root) / f"{STEM}_eeg.edf", eeg(root) / "sub-01_ses-1_task-move_eeg.edf")
    with pytest.raises(ReadError, match=r"a folder with 2 EEG recordings: sub-01.*move_eeg\.edf, .*name one"):
        open_recording(root)
    with pytest.raises(ReadError, match=r"derivatives/x: there is no such file"):
        open_recording(root / "derivatives" / "x")
    (root / "derivatives" / "x").mkdir()
    with pytest.raises(ReadError, match=r"x: is a folder with 0 EEG recordings .*; name a file"):
        open_recording(root / "derivatives" / "x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "onset\tduration\tvalue\nsoon\t1\tx\n",
            "an event 'x' has onset 'soon' and duration '1'; allowed are numbers",
        ),
        ("onset\tduration\tvalue\n1\tinf\tx\n", "an event 'x' has onset '1' and duration 'inf'"),
        ("onset,duration\n1,2\n", "has no column 'onset'"),
    ],
)
def test_a_wrong_sidecar_is_named(root, text, words):
    sidecar = eeg(root) / f"{STEM}_events.tsv"
    sidecar.write_text(text)
    with pytest.raises(ReadError) as caught:
        open_recording(root)
    assert f"{sidecar}: {words}" in str(caught.value)
