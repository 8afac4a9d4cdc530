"""Fetch data sets from a server on this machine, which fails in every way that the publishers' servers may."""

import hashlib
import json
import random
import resource
import shutil
from collections import namedtuple
from pathlib import Path
from threading import Event

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ictal import __version__, cli
from ictal.data import fetch as fetching
from ictal.data.download import Checksum, Patience, StoppedError, download
from ictal.data.fetch import CHECKED, MIRROR, fetch, remote_files
from ictal.data.public_datasets import DATASETS, SUMS_FILE, PublicDataset
from ictal.errors import ReadError, RunError, UnknownNameError, UsageError, WriteError
from tests.data.web_server import Published, record, serving, sums

QUICK = Patience(timeout_s=0.3, tries=3, wait_s=0.001)
FILES = {
    "RECORDS": b"chb01/chb01_01.edf\n",
    "chb01/chb01_01.edf": random.Random(1).randbytes(700_000),
    "chb01/chb01-summary.txt": b"File Name: chb01_01.edf\n",
    "chb02/chb02 + 1.edf": random.Random(2).randbytes(300_000),
    "empty.txt": b"",
}
EDF = "chb01/chb01_01.edf"
SUMS = "SHA256SUMS.txt"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", MIRROR):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def web():
    files = {f"/files/{path}": content for path, content in FILES.items()}
    with serving(Published(files | {f"/files/{SUMS}": sums(FILES)})) as published:
        yield published


def dataset(base: str, **more) -> PublicDataset:
    words = ("a", "b", "c", "d", "Licence 1.0", "https://licence", "g")
    return PublicDataset(*words, **({"n_bytes": 1000, "base": base} | more))


def get(web: Published, out: Path, **more):
    source = dataset(f"{web.address}/files/", **more.pop("about", {}))
    return fetch(source, out, **({"accept_licence": True, "patience": QUICK} | more))


def content(out: Path) -> dict[str, bytes]:
    """Return what is in a folder, but for hidden files and the list of checksums."""
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("[!.]*") if path.is_file()}
    return {path: data for path, data in found.items() if path not in SUMS_FILE.values()}


def parts(out: Path) -> list[str]:
    return sorted(path.name for path in out.rglob(".*.part"))


# What arrives


def test_all_files_arrive_and_are_checked(web, tmp_path):
    done = get(web, tmp_path / "a")
    assert (done.n_fetched, done.n_present, done.failed) == (len(FILES), 0, ())
    assert content(tmp_path / "a") == FILES
    assert parts(tmp_path / "a") == []
    assert {agent for *_, agent in web.asked} == {f"ictal/{__version__} (+https://pypi.org/project/ictal/)"}


def test_only_some_files(web, tmp_path):
    assert get(web, tmp_path, only=["chb01/*", "REC*"]).n_fetched == 3
    assert set(content(tmp_path)) == {"RECORDS", EDF, "chb01/chb01-summary.txt"}
    with pytest.raises(UsageError, match=r"no file has the path 'chb03/\*'; there are RECORDS, chb01/"):
        get(web, tmp_path, only=["chb01/*", "chb03/*"])


def test_a_record_of_zenodo(tmp_path):
    files = {"eeg 1.edf": b"one", "notes/a.csv": b"two"}
    there = {f"/api/records/7/files/{name.replace('/', '%2F')}/content": data for name, data in files.items()}
    with serving(Published({name.replace("%2F", "/"): data for name, data in there.items()})) as web:
        web.files["/api/records/7"] = record(files)
        source = dataset(f"{web.address}/api/records/7", listing="zenodo")
        assert fetch(source, tmp_path, accept_licence=True, patience=QUICK).n_fetched == 2
    assert content(tmp_path) == files
    assert (tmp_path / "MD5SUMS.txt").read_bytes() == sums(dict(sorted(files.items())), "md5")


def test_a_fetched_folder_is_a_mirror(web, tmp_path, monkeypatch):
    get(web, tmp_path / "mirror" / "a")
    served = {f"/m/{path.relative_to(tmp_path / 'mirror')}": path for path in (tmp_path / "mirror").rglob("*")}
    files = {name: path.read_bytes() for name, path in served.items() if path.is_file()}
    web.asked.clear()
    with serving(Published(files)) as mirror:
        monkeypatch.setenv(MIRROR, f"{mirror.address}/m/")
        assert get(web, tmp_path / "b").n_fetched == len(FILES)
    assert content(tmp_path / "b") == FILES
    assert web.asked == [], "the publisher was asked"
    monkeypatch.setenv(MIRROR, "/media/mirror")
    with pytest.raises(UsageError, match="ICTAL_FETCH_MIRROR is '/media/mirror'; allowed are addresses"):
        get(web, tmp_path / "c")


def test_a_proxy_of_the_environment_is_asked(web, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", web.address)
    monkeypatch.setenv("no_proxy", "")
    fetch(dataset("http://publisher.invalid/files/"), tmp_path, accept_licence=True, patience=QUICK)
    assert content(tmp_path) == FILES


# The licence


def test_nothing_is_asked_of_a_server_before_the_licence_is_accepted(web, tmp_path):
    with pytest.raises(
        UsageError, match=r"under the licence 'Licence 1.0' \(https://licence\); .*accept_licence=True"
    ):
        get(web, tmp_path / "a", accept_licence=False)
    assert web.asked == []
    assert not (tmp_path / "a").exists()


def test_what_needs_an_agreement_says_how_to_get_it():
    with pytest.raises(ReadError, match=r"(?s)TUH .* without an agreement .*1\. Fill in .*2\. Wait"):
        fetch("tusz")
    with pytest.raises(UnknownNameError, match="unknown data set 'tuh'; known are: chb-mit, siena, "):
        fetch("tuh")


@pytest.mark.parametrize("one", DATASETS.values(), ids=list(DATASETS))
def test_every_data_set_says_what_a_user_must_know(one):
    assert one.content
    assert one.usage
    assert one.licence
    assert one.citation.endswith(".")
    assert one.n_bytes >= 1e9
    assert all(address.startswith("https://") for address in (one.page, one.licence_page))
    assert not one.base or (one.base.startswith("https://") and one.base.endswith("/") == (one.listing == "sums"))


# Interruptions


def test_a_broken_connection_is_continued_where_it_broke(web, tmp_path):
    path = f"/files/{EDF}"
    web.breaks[path] = 4  # more than the tries in a row, but each brings something
    assert get(web, tmp_path).failed == ()
    assert content(tmp_path) == FILES
    begun = [int(wanted.removeprefix("bytes=").rstrip("-")) for wanted in web.requests(path)[1:]]
    assert begun == [350_000, 525_000, 612_500, 656_250]


@pytest.mark.parametrize(("ranges", "n_requests"), [("no", 2), ("wrong", 3)])
def test_a_server_that_sends_no_parts_or_wrong_ones_is_asked_for_the_whole(web, tmp_path, ranges, n_requests):
    web.ranges, web.breaks[f"/files/{EDF}"] = ranges, 1
    assert get(web, tmp_path).failed == ()
    assert content(tmp_path) == FILES
    assert len(web.requests(f"/files/{EDF}")) == n_requests


def test_a_download_that_failed_is_resumed_by_the_next_call(web, tmp_path):
    path = f"/files/{EDF}"
    web.breaks[path], web.states[path] = 1, []
    web.silent.add("/files/RECORDS")
    stop = Event()

    def arrived(n_bytes, size):
        if n_bytes > 200_000:
            stop.set()

    checksum = Checksum("sha256", hashlib.sha256(FILES[EDF]).hexdigest())
    with pytest.raises(StoppedError):
        download(web.address + path, tmp_path / EDF, checksum, arrived, stop, QUICK)
    (part,) = (tmp_path / "chb01").iterdir()
    kept = part.stat().st_size
    assert 200_000 < kept < 700_000
    web.silent.clear()
    assert get(web, tmp_path).failed == ()
    assert web.requests(path)[1] == f"bytes={kept}-"
    assert content(tmp_path) == FILES


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_whatever_is_in_a_partial_file_the_result_is_right(tmp_path_factory, damage, n_right):
    """Also one that is complete, too long, or of another file."""
    data = FILES[EDF][:2500]
    with serving(Published({"/a": data})) as web:
        out = tmp_path_factory.mktemp("out")
        (out / ".a.part").write_bytes(data[:n_right] + damage)
        checksum = Checksum("sha256", hashlib.sha256(data).hexdigest())
        download(f"{web.address}/a", out / "a", checksum, lambda *_: None, Event(), QUICK)
        assert [(path.name, path.read_bytes()) for path in out.iterdir()] == [("a", data)]


def test_ctrl_c_keeps_what_has_arrived_and_waits_for_no_server(web, tmp_path):
    web.silent.add(f"/files/{EDF}")
    told = []

    def progress(task, done, total):
        told.append(done)
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(web, tmp_path, progress=progress, patience=Patience(timeout_s=600))
    there = content(tmp_path)
    assert len(there) >= 3
    assert EDF not in there
    assert told == sorted(told)
    web.silent.clear()
    assert get(web, tmp_path).n_present == len(there)
    assert content(tmp_path) == FILES


# What is there already


def test_a_second_call_downloads_nothing_and_reads_nothing(web, tmp_path, monkeypatch):
    get(web, tmp_path)
    web.asked.clear()
    monkeypatch.setattr(Checksum, "of", lambda *_: pytest.fail("a file was read again"))
    assert get(web, tmp_path).n_present == len(FILES)
    assert [path for path, *_ in web.asked] == [f"/files/{SUMS}"]


def test_files_from_elsewhere_are_checked_and_kept(web, tmp_path):
    (tmp_path / "RECORDS").write_bytes(FILES["RECORDS"])
    (tmp_path / "empty.txt").write_bytes(b"mine")
    done = get(web, tmp_path)
    assert (done.n_fetched, done.n_present) == (3, 1)
    assert len(done.failed) == 1
    assert "empty.txt: is not the file of the data set (its checksum differs); move or remove it" in done.failed[0]
    assert (tmp_path / "empty.txt").read_bytes() == b"mine"


def test_a_file_that_changed_after_it_was_fetched_is_seen(web, tmp_path):
    get(web, tmp_path)
    (tmp_path / EDF).write_bytes(FILES[EDF][::-1])
    assert "its checksum differs" in get(web, tmp_path).failed[0]
    (tmp_path / CHECKED).write_text("{")
    assert len(get(web, tmp_path).failed) == 1


def test_two_calls_in_one_folder_are_refused(web, tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(RunError, match="another process is fetching into this folder"):
        get(web, tmp_path)


# Faults


def test_a_damaged_file_is_fetched_once_more_and_then_given_up(web, tmp_path):
    web.damaged[f"/files/{EDF}"] = 1
    assert get(web, tmp_path / "a").failed == ()
    assert content(tmp_path / "a") == FILES
    web.damaged[f"/files/{EDF}"] = 2
    done = get(web, tmp_path / "b")
    assert done.n_fetched == len(FILES) - 1
    assert f"{EDF}: is damaged: its SHA256 is not" in done.failed[0]
    assert EDF not in content(tmp_path / "b")
    assert parts(tmp_path / "b") == []


@pytest.mark.parametrize(
    ("state", "n_requests", "why"),
    [
        (404, 1, "there is no such file (the server answers 404)"),
        (403, 1, "must not be downloaded without permission (the server answers 403)"),
        (418, 1, "cannot be downloaded (the server answers 418)"),
        (503, 3, "cannot be downloaded: the server answers 503 (3 tries)"),
        (429, 3, "cannot be downloaded: the server answers 429 (3 tries)"),
    ],
)
def test_a_state_that_may_pass_is_waited_out_and_another_is_not(web, tmp_path, state, n_requests, why):
    path = f"/files/{EDF}"
    web.states[path] = [state] * 3
    done = get(web, tmp_path)
    assert done.n_fetched == len(FILES) - 1
    assert why in done.failed[0]
    assert len(web.requests(path)) == n_requests
    web.states[path] = [503, 503]
    assert get(web, tmp_path).failed == ()


def test_a_silent_server_is_given_up_in_time(web, tmp_path):
    web.silent.add(f"/files/{EDF}")
    assert "the server does not answer in time (3 tries)" in get(web, tmp_path).failed[0]


def test_no_server_at_all_is_said(tmp_path):
    with serving(Published()) as web:
        address = web.address
    with pytest.raises(ReadError, match=r"SHA256SUMS.txt: cannot be downloaded: .*refused \(3 tries\)"):
        fetch(dataset(f"{address}/"), tmp_path, accept_licence=True, patience=QUICK)


def test_after_some_failures_the_others_are_not_tried(tmp_path):
    files = {f"{number:02}.edf": b"x" for number in range(40)}
    with serving(Published({f"/files/{SUMS}": sums(files)})) as web:
        done = get(web, tmp_path)
    assert len(done.failed) == fetching.MOST_FAILURES + 1
    assert done.failed[-1] == "35 more files were not tried; repeat the command to resume"
    assert len(web.asked) < 20


def test_a_file_that_moved_is_followed_but_never_to_what_is_not_encrypted(web, tmp_path, monkeypatch):
    web.moved[f"/files/{EDF}"] = f"{web.address}/elsewhere"
    web.files["/elsewhere"] = FILES[EDF]
    assert get(web, tmp_path).failed == ()
    answer = namedtuple("Answer", "url close")("http://plain.org/a", lambda: None)
    monkeypatch.setattr("urllib.request.OpenerDirector.open", lambda *_, **__: answer)
    with pytest.raises(ReadError, match=r"leads to http://plain\.org/a, which is not encrypted"):
        remote_files(dataset("https://publisher.org/"), QUICK)


@pytest.mark.parametrize(
    "path",
    [
        "../a.edf",
        "/etc/passwd",
        "a/../../b",
        "C:/a.edf",
        "C:\\a.edf",
        "..\\a.edf",
        ".lock",
        "a/.checked.json",
        ".a.part",
    ],
)
def test_a_list_that_leads_out_of_the_folder_is_refused(web, tmp_path, path):
    web.files[f"/files/{SUMS}"] += b"0" * 64 + b"  " + path.encode() + b"\n"
    with pytest.raises(ReadError, match="is not the path of a file of a data set"):
        get(web, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "lists no file"),
        (b"<html>Sign in</html>\n", "'<html>Sign' is not a checksum"),
        (b"12ab  a.edf\n", "line 1: '12ab' is not a checksum"),
        (b"\xff\xfe", "is not a list of files: it is not UTF-8 text"),
    ],
)
def test_a_list_that_is_none_is_refused(web, tmp_path, text, why):
    web.files[f"/files/{SUMS}"] = text
    with pytest.raises(ReadError, match=why):
        get(web, tmp_path)


def test_forms_of_lists_that_other_programs_write_are_read(web, tmp_path):
    lines = sums(FILES).decode().splitlines()
    web.files[f"/files/{SUMS}"] = "\r\n".join(
        [
            lines[0].replace("  ", " *"),
            lines[1].replace("  ", "  ./").upper().replace(EDF.upper(), EDF),
            *lines[2:],
            "",
        ]
    ).encode()
    assert get(web, tmp_path).n_fetched == len(FILES)


@pytest.mark.parametrize("text", [b"{}", b"[]", b'{"files": [{"key": 1}]}', b"<html>"])
def test_a_record_that_is_none_is_refused(tmp_path, text):
    with serving(Published({"/r": text})) as web, pytest.raises(ReadError, match="is not a record of Zenodo"):
        remote_files(dataset(f"{web.address}/r", listing="zenodo"), QUICK)


def test_a_full_disk_is_said_before_and_while_files_arrive(web, tmp_path, monkeypatch):
    usage = namedtuple("Usage", "total used free")(10, 10, 500)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(WriteError, match=r"has 0\.0 GB free, and about 42\.6 GB are lacking"):
        get(web, tmp_path, about={"n_bytes": 42_600_000_000})
    with pytest.raises(WriteError, match=f"is too small for .*{EDF}"):
        get(web, tmp_path, only=[EDF])
    assert content(tmp_path) == {}


def test_a_disk_that_fills_up_ends_the_run_and_the_next_one_resumes(web, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    try:
        with pytest.raises(WriteError, match=r"chb01_01.*: cannot be written: (File too large|No space left)"):
            get(web, tmp_path, only=[EDF])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert content(tmp_path) == {}
    assert get(web, tmp_path).failed == ()
    assert web.requests(f"/files/{EDF}")[-1] == "bytes=400000-"
    assert content(tmp_path) == FILES


def test_a_folder_that_cannot_be_is_named(web, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="file/out: cannot be written: Not a directory"):
        get(web, tmp_path / "file" / "out")


# The command


@pytest.fixture
def call(web, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = dataset(f"{web.address}/files/", usage=("ictal score {folder}/*.edf",))
    monkeypatch.setitem(DATASETS, "here", made)

    def ran(*words: str, **more):
        return CliRunner().invoke(cli.app, ["fetch", *words], **more)

    return ran


def test_the_command_shows_the_licence_and_then_what_to_do(call, tmp_path):
    done = call("here", "--out", "data", "--only", "chb01/*", "--yes", "--json", "told.json")
    assert done.exit_code == 0, done.stderr
    assert "licence:  Licence 1.0, https://licence" in done.stderr
    assert f"from:     {DATASETS['here'].base}" in done.stderr
    assert done.stdout.splitlines() == [
        "2 files fetched, 0 already there, all checked",
        "Files: data",
        "Next:",
        "  ictal score data/*.edf",
    ]
    told = json.loads((tmp_path / "told.json").read_text())
    assert told == {"folder": "data", "n_fetched": 2, "n_present": 0, "failed": []}


def test_the_command_lists_files_and_downloads_none(call, tmp_path):
    call("here", "--only", "RECORDS", "--yes", "--out", "data")
    done = call("here", "--list", "--out", "data")
    assert "there    RECORDS" in done.stdout
    assert f"missing  {EDF}" in done.stdout
    assert "5 files, 1 of them in data" in done.stdout


def test_without_a_terminal_the_command_needs_to_be_told_that_the_licence_is_accepted(call, tmp_path):
    done = call("here")
    assert isinstance(done.exception, UsageError)
    assert "licence:  Licence 1.0" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_at_a_terminal_the_command_asks(call, tmp_path, monkeypatch, answer, code):
    monkeypatch.setattr("typer.confirm", lambda *_, **__: answer == "y\n")
    monkeypatch.setattr("ictal.cli.fetch.at_terminal", lambda: True)
    assert call("here", "--out", "data").exit_code == code
    assert (tmp_path / "data").exists() == (code == 0)


def test_a_file_that_fails_makes_the_exit_code(call, web):
    web.states[f"/files/{EDF}"] = [404]
    done = call("here", "--out", "data", "--yes")
    assert done.exit_code == 3
    assert "Error: " in done.stderr
    assert "Next:" not in done.stdout
