"""BrainVision: headers as programs other than MNE-Python write them."""

from pathlib import Path

import numpy as np
import pytest

from ictal.errors import ReadError
from ictal.io import open_recording
from tests.helpers import noise
from tests.io.test_readers import CHANNELS, write_brainvision

SAMPLES = noise(1000, n_channels=len(CHANNELS))


@pytest.fixture
def path(tmp_path) -> Path:
    write_brainvision(tmp_path / "a.vhdr", SAMPLES, 200)
    return tmp_path / "a.vhdr"


def edit(path: Path, old: str, new: str, encoding: str = "utf-8") -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_bytes(text.replace(old, new).encode(encoding))


@pytest.mark.parametrize("unit", ["\u00b5V", "\u03bcV", "uV", "UV", ""])
def test_every_spelling_of_microvolt_is_one(path, unit):
    edit(path, "µV", unit)
    made = open_recording(path)
    np.testing.assert_allclose(made.read(), SAMPLES, rtol=1e-5)
    assert set(made.kinds) == {"eeg"}


@pytest.mark.parametrize(("unit", "scale"), [("mV", 1e3), ("V", 1e6), ("nV", 1e-3)])
def test_other_voltages_are_scaled(path, unit, scale):
    edit(path, "µV", unit)
    np.testing.assert_allclose(open_recording(path).read(), SAMPLES * scale, rtol=1e-5)


def test_an_electrode_of_an_unknown_unit_is_refused(path):
    edit(path, "Ch1=EEG Fp1-REF,,1,µV", "Ch1=EEG Fp1-REF,,1,ARU")
    with pytest.raises(ReadError, match=r"a\.vhdr: the voltages of EEG Fp1-REF are unknown.* 'ARU'"):
        open_recording(path)


def test_capitals_in_suffixes_do_not_matter_whatever_the_header_names(path):
    for suffix in (".vhdr", ".eeg", ".vmrk"):
        path.with_suffix(suffix).rename(path.with_suffix(suffix.upper()))
    made = open_recording(path.with_suffix(".VHDR"))
    np.testing.assert_allclose(made.read(), SAMPLES, rtol=1e-5)
    assert [note.text for note in made.annotations] == ["Comment/seizure"]
    assert made.notes == ()
    with pytest.raises(ReadError, match=r"A?a\.EEG: is a part of a recording; open a\.VHDR instead"):
        open_recording(path.with_suffix(".EEG"))


def test_a_header_that_names_files_by_its_own_name_or_by_that_of_before(path):
    edit(path, "DataFile=a.eeg", "DataFile=$b.eeg")
    assert open_recording(path).notes == ()
    edit(path, "DataFile=$b.eeg", "DataFile=before.eeg")
    edit(path, "MarkerFile=a.vmrk", "MarkerFile=before.vmrk")
    made = open_recording(path)
    np.testing.assert_allclose(made.read(), SAMPLES, rtol=1e-5)
    assert made.notes == (
        "its samples are read from a.eeg, since before.eeg is missing",
        "its markers are read from a.vmrk, since before.vmrk is missing",
    )
    path.with_suffix(".vmrk").unlink()
    assert open_recording(path).notes[1] == (
        "its annotations, start and gaps are unknown, since before.vmrk is not in the same folder"
    )
    path.with_suffix(".eeg").unlink()
    with pytest.raises(ReadError, match=r"its samples are in before\.eeg, which is not in the same folder"):
        open_recording(path)


def test_old_encodings_and_sections_from_which_mne_would_guess(path):
    """A channel without coordinates may be an electrode, and the table of filters may be anything."""
    edit(path, "Codepage=UTF-8\n", "")
    edit(path, "[Channel Infos]", "; \u00e4\n[Channel Infos]", "cp1252")
    text = path.read_bytes() + b"[Coordinates]\nCh1=0,0,0\nCh2=1,90,45\n[Comment]\nChannels\n#  Name  Phys\n\xe4\n"
    path.write_bytes(text)
    markers = path.with_suffix(".vmrk")
    edit(markers, "Codepage=UTF-8\n", "")
    edit(markers, "seizure", "Anf\u00e4lle", "cp1252")
    made = open_recording(path)
    np.testing.assert_allclose(made.read(), SAMPLES, rtol=1e-5)
    assert set(made.kinds) == {"eeg"}
    assert [note.text for note in made.annotations] == ["Comment/Anfälle"]


def test_markers_behind_the_last_sample_are_kept(path):
    edit(
        path.with_suffix(".vmrk"),
        "Mk1=Comment,seizure,2561,512,0",
        "Mk1=Comment,seizure,2561,512,0\nMk2=Comment,late,1999,1,0",
    )
    assert [(note.text, note.onset_s) for note in open_recording(path).annotations] == [
        ("Comment/late", pytest.approx(9.99)),
        ("Comment/seizure", pytest.approx(12.8)),
    ]


@pytest.mark.parametrize("rate", ["0", "soon", ""])
def test_a_rate_that_is_none_is_named(path, rate):
    edit(path, "SamplingInterval=5000.0", f"SamplingInterval={rate}")
    with pytest.raises(ReadError, match=r"a\.vhdr: "):
        open_recording(path)
