"""The hash of a file: of every byte, and never of what the file was before."""

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from ictal.core import hashing
from ictal.core.hashing import CHUNK, cached_hash, content_hash, content_hashes, new_digest, same_file


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch) -> Path:
    """The cache of these tests; every file counts as settled."""
    monkeypatch.setattr(hashing, "user_cache_path", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr(hashing, "SETTLED_NS", -(10**9))
    return tmp_path / "cache" / "ictal" / hashing.CACHE_FILE


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, 3 * CHUNK + 7])
def test_any_byte_counts(tmp_path, size):
    path, content = tmp_path / "a.bin", bytearray(size)
    seen = set()
    for place in {0, size // 3, size // 2, size - 1}:
        changed = content.copy()
        changed[place] ^= 1
        path.write_bytes(changed)
        seen.add(content_hash(path))
        assert content_hash(path) == hashlib.blake2b(changed, digest_size=16).hexdigest()
    assert len(seen) == len({0, size // 3, size // 2, size - 1})


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    path, read = tmp_path / "a.bin", []
    path.write_bytes(b"one")
    monkeypatch.setattr(hashing, "new_digest", lambda: read.append(path) or new_digest())
    assert cached_hash(path) is None
    first = content_hash(path)
    assert (content_hash(path), cached_hash(path), read) == (first, first, [path])
    known = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))  # as a careful copy would
    assert cached_hash(path) is None
    assert content_hash(path) != first
    (tmp_path / "b.bin").write_bytes(b"one")
    (tmp_path / "b.bin").replace(path)
    assert content_hash(path) == first


def test_a_file_that_may_change_within_the_same_tick_is_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "SETTLED_NS", 3600 * 10**9)
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    content_hash(path)
    assert cached_hash(path) is None


def test_many_files_at_once_come_in_their_order(tmp_path):
    paths = [tmp_path / f"{number}.bin" for number in range(20)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
    found = content_hashes(reversed(paths))
    assert list(found) == paths[::-1]
    assert found == {path: content_hash(path) for path in paths}
    with pytest.raises(FileNotFoundError):
        content_hashes([*paths, tmp_path / "none"])


def test_the_cache_names_no_file_and_may_be_missing_or_damaged(tmp_path, memory):
    path = tmp_path / "Curie_Marie.edf"
    path.write_bytes(b"one")
    found = content_hash(path)
    assert b"Curie" not in memory.read_bytes()
    memory.write_bytes(b"no database" * 100)
    assert (content_hash(path), cached_hash(path)) == (found, None)
    memory.unlink()
    memory.mkdir()
    assert content_hash(path) == found


def test_two_programs_may_remember_at_once(tmp_path, memory):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    content_hash(path)
    with sqlite3.connect(memory) as other:
        other.execute("pragma journal_mode = wal")
        other.execute("update content set hash = hash")
        assert cached_hash(path) is not None
    other.close()


def test_one_file_by_two_paths(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    (tmp_path / "link").symlink_to(path)
    assert same_file(path, tmp_path / "link")
    assert not same_file(path, tmp_path)
    assert not same_file(tmp_path / "none", tmp_path / "none")
