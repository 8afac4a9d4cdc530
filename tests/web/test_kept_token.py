"""The token of a ward page is kept, and only while nobody else can know it."""

import os
import stat

import pytest

from ictal.errors import WriteError
from ictal.web.kept_token import FILE, kept_token

ours = pytest.mark.skipif(os.name == "nt", reason="needs rights in the mode of a file")


def test_it_is_the_same_again_and_complete(tmp_path):
    token = kept_token(tmp_path / "out")
    assert len(token) == 43
    assert kept_token(tmp_path / "out") == token
    assert [path.name for path in (tmp_path / "out").iterdir()] == [FILE]


@ours
def test_only_its_owner_may_read_it(tmp_path):
    before = os.umask(0)
    try:
        kept_token(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@ours
@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o644])
def test_one_that_others_could_know_is_replaced(tmp_path, mode):
    token = kept_token(tmp_path)
    (tmp_path / FILE).chmod(mode)
    new = kept_token(tmp_path)
    assert new != token
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert kept_token(tmp_path) == new


@pytest.mark.parametrize(
    "content", [b"", b"short", b"x" * 42, b"x" * 44, b"x" * 42 + b"\n", b"x" * 42 + b"\xff", b"/" * 43]
)
def test_what_is_no_token_is_replaced(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    (tmp_path / FILE).chmod(0o600)
    assert len(kept_token(tmp_path)) == 43
    assert (tmp_path / FILE).read_text() == kept_token(tmp_path)


@ours
def test_a_link_is_not_followed_and_a_pipe_not_waited_for(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x" * 43)
    elsewhere.chmod(0o600)
    (tmp_path / FILE).symlink_to(elsewhere)
    assert kept_token(tmp_path) != "x" * 43
    assert elsewhere.read_text() == "x" * 43
    (tmp_path / FILE).unlink()
    os.mkfifo(tmp_path / FILE, 0o600)
    assert len(kept_token(tmp_path)) == 43


def test_a_folder_in_its_place_is_refused(tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(WriteError, match=FILE):
        kept_token(tmp_path)
