"""Which files hold a recording, and that its hash is of all of them."""

from itertools import product

import pytest

from ictal.io.recording_files import hashes_with_sidecars, parts_of, recording_hash

VHDR = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
DataFile={}
MarkerFile=$b.vmrk
"""


def files(folder, **content: str):
    folder.mkdir(exist_ok=True, parents=True)
    for name, text in content.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("opened", "others"),
    [
        ("night__vhdr", ["night__eeg", "night__vmrk"]),
        ("night__set", ["night__fdt"]),
        ("night__lay", ["night__dat"]),
        ("night__eeg", ["night__pnt", "night__21e"]),
        ("night__VHDR", ["night__EEG", "night__VMRK"]),
        ("night__erd", ["night_001__erd", "night_001__etc", "night__etc", "night__stc", "night__ent", "night__eeg"]),
    ],
)
def test_the_samples_beside_a_header_belong_to_the_recording(tmp_path, opened, others):
    strangers = {"night__txt": "x", "night_2__eeg": "x", "night__2__fdt": "x"}
    folder = files(tmp_path / "a", **{opened: "header"}, **dict.fromkeys(others, "samples"), **strangers)
    path = folder / opened.replace("__", ".")
    assert {part.name for part in parts_of(path)} == {name.replace("__", ".") for name in (opened, *others)}
    assert parts_of(path)[0] == path
    before = recording_hash(path)
    (folder / others[0].replace("__", ".")).write_text("others!")
    assert recording_hash(path) != before


def test_what_a_header_names_belongs_to_the_recording(tmp_path):
    folder = files(tmp_path / "a", night__vhdr=VHDR.format("raw.eeg"), raw__eeg="samples", night__vmrk="marks")
    assert [part.name for part in parts_of(folder / "night.vhdr")] == ["night.vhdr", "night.vmrk", "raw.eeg"]
    folder = files(tmp_path / "b", night__lay="[FileInfo]\nFile=RAW.DAT\n", RAW__DAT="samples")
    assert [part.name for part in parts_of(folder / "night.lay")] == ["night.lay", "RAW.DAT"]


def test_two_patients_with_one_header_are_two_recordings(tmp_path):
    header = {"eeg__vhdr": VHDR.format("eeg.eeg"), "eeg__vmrk": "marks"}
    folders = [files(tmp_path / name, **header, eeg__eeg=name) for name in ("anna", "bert")]
    assert len({recording_hash(folder / "eeg.vhdr") for folder in folders}) == 2


def test_names_do_not_count(tmp_path):
    one = files(tmp_path / "a", night__set="x", night__fdt="y") / "night.set"
    other = files(tmp_path / "b", day__set="x", day__fdt="y") / "day.set"
    swapped = files(tmp_path / "c", night__set="y", night__fdt="x") / "night.set"
    assert recording_hash(one) == recording_hash(other) != recording_hash(swapped)


def test_a_folder_is_all_that_is_in_it(tmp_path):
    folder = files(tmp_path / "night.mff", signal1__bin="x", info__xml="y")
    before = recording_hash(folder)
    (folder / "signal1.bin").write_text("z")
    assert recording_hash(folder) != before


def test_a_name_with_signs_that_mean_something_to_a_pattern(tmp_path):
    folder = files(tmp_path / "a", **{"n[1]*?__set": "x", "n[1]*?__fdt": "y", "n1__fdt": "z"})
    assert [part.name for part in parts_of(folder / "n[1]*?.set")] == ["n[1]*?.set", "n[1]*?.fdt"]


def test_sidecars_count_where_they_change_what_is_read(tmp_path):
    seen = []
    for eeg, channels, other in product("ab", "ab", "ab"):
        path = files(
            tmp_path, **{"sub-1_eeg__edf": eeg, "sub-1_channels__tsv": channels, "sub-2_channels__tsv": other}
        )
        seen.append(tuple(hashes_with_sidecars([path / "sub-1_eeg.edf"])[path / "sub-1_eeg.edf"]))
    assert len(set(seen)) == 4
