"""Nothing that was planted is left: not in the header, not in annotations, not between them, not in the name."""

from collections import Counter

import numpy as np
import pytest

from ictal.deidentification.deidentify import deidentify
from ictal.deidentification.key_file import create_key
from ictal.io.edf.header import EdfFile
from tests.deidentification.plantings import left, plant


def sample_bytes(path):
    file = EdfFile.open(path)
    n_bytes = sum(signal.n_samples for signal in file.signals if not signal.is_annotation) * file.bytes_per_sample
    return file.records(0, file.n_records)[:, :n_bytes]  # these files have their annotations last


def check(folder, n_plantings, seed):
    key, n_planted, n_files = folder / "key.csv", 0, 0
    create_key(key)
    while n_planted < n_plantings:
        where = folder / f"{n_files}"
        where.mkdir()
        planted = plant(where, np.random.default_rng([seed, n_files]))
        done = deidentify(planted.path, where / "out", key)
        assert not left(planted, done.out), (seed, n_files)
        assert Counter(done.kept) == Counter(planted.kept), (seed, n_files)
        old, new = EdfFile.open(planted.path), EdfFile.open(done.out)
        np.testing.assert_array_equal(sample_bytes(done.out), sample_bytes(planted.path))
        np.testing.assert_array_equal(new.onsets_s, old.onsets_s)
        assert new.plus == old.plus
        wanted = [note for note in old.annotations if note.text in planted.kept]
        assert [note for note in new.annotations if note.text in planted.kept] == wanted
        n_planted, n_files = n_planted + len(planted.texts), n_files + 1
        for path in (planted.path, done.out):
            path.unlink()
    return n_planted


def test_of_some_hundred_plantings_none_is_left(tmp_path):
    assert check(tmp_path, 400, seed=1) >= 400


@pytest.mark.exhaustive
def test_of_ten_thousand_plantings_none_is_left(tmp_path):
    assert check(tmp_path, 10_000, seed=2) >= 10_000


def test_the_search_of_these_tests_finds_what_was_planted(tmp_path):
    """So that the tests above can fail."""
    for seed in range(20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        planted = plant(folder, np.random.default_rng(seed))
        assert left(planted, planted.path), seed
