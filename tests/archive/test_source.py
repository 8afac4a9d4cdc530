import functools
import http.server
import os
import threading
import time
import tracemalloc
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from ictal.archive.pieces import Entry
from ictal.archive.source import ABSENT, find_recordings
from ictal.errors import ReadError, TableError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def recordings(source: Path | str) -> list[str]:
    return [entry.recording for entry in find_recordings(str(source))]


def test_a_folder_is_every_file_of_a_format_that_is_read(tmp_path):
    touch(tmp_path, "a.edf", "b/c.EDF", "b/d.fif.gz", "b/notes.txt", ".hidden/e.edf", "b/.f.edf", "g.mff/signal1.bin")
    assert recordings(tmp_path) == ["a.edf", "b/c.EDF", "b/d.fif.gz", "g.mff"]


def test_of_a_recording_of_several_files_the_one_to_open_is_an_entry_and_all_are_its_parts(tmp_path):
    touch(tmp_path, "a.vhdr", "a.eeg", "a.vmrk", "a.txt", "ab.eeg", "ab.pnt")
    entries = find_recordings(str(tmp_path))
    assert [entry.recording for entry in entries] == ["a.vhdr", "ab.eeg"]
    assert [sorted(Path(part).name for part in entry.parts) for entry in entries] == [
        ["a.eeg", "a.vhdr", "a.vmrk"],
        ["ab.eeg", "ab.pnt"],
    ]
    assert Path(entries[0].address).name == "a.vhdr"
    (tmp_path / "a.eeg").write_text("longer than it was")
    changed = find_recordings(str(tmp_path))
    assert changed[0].fingerprint != entries[0].fingerprint
    assert changed[1] == entries[1]


def test_a_natus_recording_is_one_entry_with_all_its_segments(tmp_path):
    names = ("erd", "etc", "stc", "ent", "snc", "vtc", "eeg")
    touch(tmp_path, *(f"ward/Doe, J/{stem}.{name}" for stem in ("Doe, J_1-2", "Doe, J_3-4") for name in names))
    touch(tmp_path, "ward/Doe, J/Doe, J_1-2_001.erd", "ward/Doe, J/Doe, J_1-2_001.etc", "loose_001.erd")
    entries = find_recordings(str(tmp_path))
    assert [entry.recording for entry in entries] == [
        "loose_001.erd",
        "ward/Doe, J/Doe, J_1-2.erd",
        "ward/Doe, J/Doe, J_3-4.erd",
    ]
    assert [len(entry.parts) for entry in entries] == [1, 9, 7]
    (tmp_path / "ward/Doe, J/Doe, J_1-2_001.erd").write_text("longer than it was, and than any other")
    changed = find_recordings(str(tmp_path))
    assert [one == other for one, other in zip(entries, changed, strict=True)] == [True, False, True]


def test_a_bids_data_set_is_its_raw_eeg_with_sidecars(tmp_path):
    stem = "sub-01/eeg/sub-01_task-rest"
    touch(tmp_path, "dataset_description.json", f"{stem}_eeg.edf", f"{stem}_channels.tsv", f"{stem}_eeg.json")
    touch(tmp_path, "derivatives/x/sub-01_eeg.edf", "sourcedata/sub-01_eeg.edf", "sub-01/meg/sub-01_meg.fif", "a.edf")
    (entry,) = find_recordings(str(tmp_path))
    assert entry.recording == f"{stem}_eeg.edf"
    assert [Path(part).name for part in entry.parts[1:]] == ["sub-01_task-rest_channels.tsv"]


def test_a_manifest_names_files_beside_it_or_anywhere_each_once(tmp_path):
    touch(tmp_path, "eeg/a.edf", "eeg/b.edf", "other/c.edf")
    files = ["eeg/a.edf", "eeg/a.edf", str(tmp_path / "other" / "c.edf"), "eeg/gone.edf"]
    table = pd.DataFrame({"file": files, "start_s": range(4)})
    table.to_csv(tmp_path / "list.csv", index=False)
    table.to_parquet(tmp_path / "list.parquet")
    entries = find_recordings(str(tmp_path / "list.csv"))
    assert entries == find_recordings(str(tmp_path / "list.parquet"))
    assert {entry.recording for entry in entries} == set(files)
    assert {entry.recording for entry in entries if entry.fingerprint == ABSENT} == {"eeg/gone.edf"}
    by_id = {entry.recording: entry for entry in entries}
    assert by_id["eeg/a.edf"].address == str(tmp_path / "eeg" / "a.edf")


def test_ids_do_not_depend_on_where_the_folder_lies_and_names_of_files_are_unique(tmp_path):
    first, second = (touch(tmp_path / name, "a/x.edf", "b/x.edf") for name in ("one", "two"))
    assert recordings(first) == recordings(second)
    names = [Entry(recording, ("",), "").name for recording in ("a/x.edf", "b/x.edf", "b/x.bdf", "ü ../x.edf")]
    assert len(set(names)) == 4
    assert all(name.startswith("x-") and set(name) <= set("x-0123456789abcdef") for name in names)


def test_a_file_that_was_written_anew_has_another_fingerprint(tmp_path):
    touch(tmp_path, "a.edf", "b.edf")
    before = find_recordings(str(tmp_path))
    os.utime(tmp_path / "a.edf", (1, 1))
    after = find_recordings(str(tmp_path))
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, False]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nowhere", "there is no such folder or manifest"),
        ("void", "contains no recording"),
        ("empty/list.txt", "is neither a folder nor a manifest"),
        ("empty/bad.csv", "column 'file' is missing"),
        ("empty/bad.parquet", "is not a manifest: it is not a table with a column 'file'"),
        ("sftp://me:secret@host/eeg", "contains a password, which would be written to the ledger"),
        ("noscheme://host/eeg", "cannot be opened"),
    ],
)
def test_a_source_that_cannot_be_planned_is_one_error(tmp_path, monkeypatch, source, told):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "empty/list.txt", "void/notes.txt")
    pd.DataFrame({"path": ["a.edf"]}).to_csv("empty/bad.csv", index=False)
    pd.DataFrame({"path": ["a.edf"]}).to_parquet("empty/bad.parquet")
    with pytest.raises((ReadError, TableError), match=told):
        find_recordings(source)


def test_a_url_is_a_source_and_its_addresses_open_anew():
    files = fsspec.filesystem("memory")
    for name in ("a.edf", "b/c_eeg.edf", "b/c_channels.tsv"):
        files.pipe(f"/ward/{name}", name.encode())
    entries = find_recordings("memory://ward")
    assert [entry.recording for entry in entries] == ["a.edf", "b/c_eeg.edf"]
    for entry in entries:
        for part in entry.parts:
            with fsspec.open(part) as file:
                assert part.endswith(file.read().decode())
    assert len(entries[1].parts) == 2
    files.pipe("/ward/a.edf", b"another one")
    assert find_recordings("memory://ward")[0].fingerprint != entries[0].fingerprint


def test_folders_behind_links_are_listed_once_and_loops_end(tmp_path):
    """As on network storage, where years and wards are links to other volumes."""
    volume = touch(tmp_path / "volume", "2023/a.edf", "2023/deep/b.edf", "2024/c.edf", ".snapshot/2023/a.edf")
    source = touch(tmp_path / "eeg", "own/d.edf", ".data/e.edf")
    links = {
        "ward1": volume / "2023",
        "ward2": volume / "2024",
        "own_again": source / "own",  # has its own path
        "ward3": volume / "2023",  # is ward1
        "whole": volume,  # holds what ward1 and ward2 link to
        "deep": volume / "2023" / "deep",  # is below ward1
        "self": source,
        "up": tmp_path,
        "hidden": source / ".data",
        "gone": tmp_path / "nowhere",
        "gone.edf": tmp_path / "nowhere.edf",
        "file.edf": volume / "2024" / "c.edf",
        "deeper/relative": Path("../own"),
    }
    (source / "deeper").mkdir()
    (volume / "2023" / "back").symlink_to(source)
    (volume / "2024" / "sideways").symlink_to(volume / "2023")
    for name, target in links.items():
        (source / name).symlink_to(target)
    (tmp_path / "linked").symlink_to(source)
    expected = {
        *("own/d.edf", "hidden/e.edf", "deep/b.edf", "ward1/a.edf", "ward2/c.edf", "file.edf", "gone.edf"),
    }
    for root in (source, tmp_path / "linked"):
        assert set(recordings(root)) == expected
    by_id = {entry.recording: entry for entry in find_recordings(str(source))}
    assert by_id["ward1/a.edf"].address == str(source / "ward1" / "a.edf")
    before = by_id["file.edf"].fingerprint
    os.utime(volume / "2024" / "c.edf", (1, 1))
    assert {entry.recording: entry for entry in find_recordings(str(source))}["file.edf"].fingerprint != before


def test_links_that_a_manifest_names_change_with_what_they_lead_to(tmp_path):
    touch(tmp_path, "real/a.edf", "eeg/b.edf")
    (tmp_path / "eeg" / "a.edf").symlink_to(tmp_path / "real" / "a.edf")
    (tmp_path / "eeg" / "gone.edf").symlink_to(tmp_path / "nowhere.edf")
    pd.DataFrame({"file": ["eeg/a.edf", "eeg/b.edf", "eeg/gone.edf"]}).to_csv(tmp_path / "list.csv", index=False)
    before = find_recordings(str(tmp_path / "list.csv"))
    os.utime(tmp_path / "real" / "a.edf", (1, 1))
    after = find_recordings(str(tmp_path / "list.csv"))
    assert [one != other for one, other in zip(before, after, strict=True)] == [True, False, False]


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "a/b.edf", "c.edf")
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ReadError, match=r"/a: cannot be read: Permission denied"):
        find_recordings(str(tmp_path))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_the_host_of_a_url_stays_in_its_addresses(tmp_path):
    """HTTP is the one protocol with hosts for which no server has to be installed."""
    pytest.importorskip("aiohttp")
    touch(tmp_path, "a.edf", "b/c.edf")
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        entries = find_recordings(f"{root}/")
        server.shutdown()
    assert [entry.address for entry in entries] == [f"{root}/a.edf", f"{root}/b/c.edf"]
    assert [entry.n_bytes for entry in entries] == [5, 7]


@pytest.mark.exhaustive
def test_ten_thousand_recordings_are_planned_in_seconds_and_little_memory(tmp_path):
    """The limits are 20 s and 500 MiB; the benchmark measures both for the whole process."""
    for number in range(10_000):
        path = tmp_path / f"p{number % 100}" / f"{number}.edf"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    tracemalloc.start()
    begun = time.process_time()
    entries = find_recordings(str(tmp_path))
    seconds, (_, peak) = time.process_time() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len({entry.recording for entry in entries}) == 10_000
    assert seconds < 20
    assert peak < 200 * 2**20
