"""The regional spectrograms of HMS, and what is said of files that are none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.errors import ReadError
from ictal.io.regional_spectrogram import cut_context, read_spectrogram
from tests.data.helpers import spectrogram_table as table


def test_pixels_are_found_by_their_names_whatever_the_order(tmp_path):
    good = table(310)
    expected = good.drop(columns="time").to_numpy().T.reshape(4, 100, 310)
    shuffled = good[np.random.default_rng(0).permutation(good.columns)]
    shuffled.index = shuffled.index + 7  # which pandas writes as a column of its own
    for made in (good, shuffled):
        made.to_parquet(tmp_path / "a.parquet")
        found = read_spectrogram(tmp_path / "a.parquet")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("path", "columns", "pixel"),
    [("train_spectrograms/1000189855", 690, "RL_3.13"), ("test_spectrograms/853520", 300, "RL_3.13")],
)
def test_real_files_are_read(shared_data, path, columns, pixel):
    file = shared_data / "hms" / f"{path}.parquet"
    found = read_spectrogram(file)
    assert found.shape == (4, 100, columns)
    raw = pd.read_parquet(file)
    np.testing.assert_array_equal(found[1, 13], raw[pixel])  # 16 x 200 / 1024 = 3.125 Hz
    np.testing.assert_array_equal(found[3, 99], raw["RP_19.92"])
    assert raw.columns.tolist() == table(1).columns.tolist()


def test_missing_pixels_are_kept(tmp_path):
    made = table(300)
    made.loc[3, "LP_0.98"] = np.nan
    made.loc[4:9, made.columns[1:]] = np.nan
    made.to_parquet(tmp_path / "a.parquet")
    found = read_spectrogram(tmp_path / "a.parquet")
    assert np.isnan(found[2, 2, 3])
    assert np.isnan(found[..., 4:10]).all()
    assert np.isnan(found).sum() == 1 + 6 * 400


WRONG = {
    "another region": (lambda t: t.rename(columns={"LL_0.59": "LR_0.59"}), ["1 columns do not belong", "LR_0.59"]),
    "another frequency": (lambda t: t.rename(columns={"RP_4.1": "RP_4.2"}), ["RP_4.2", "are missing: RP_4.10"]),
    "no number": (lambda t: t.rename(columns={"RP_4.1": "RP_nan"}), ["RP_nan"]),
    "too high": (lambda t: t.assign(**{"LL_20.12": 1.0}), ["LL_20.12", "allowed are 'time' and REGION_HZ"]),
    "a pixel that lacks": (lambda t: t.drop(columns=["LL_0.78", "RP_19.92"]), ["missing: LL_0.78, RP_19.92"]),
    "a pixel twice": (lambda t: t.assign(**{"LL_0.590": 1.0}), ["two columns for each of LL_0.59; allowed is one"]),
    "no time": (lambda t: t.drop(columns="time"), ["column 'time' is missing"]),
    "text": (lambda t: t.assign(**{"LL_0.59": "x"}), ["columns LL_0.59 are not numbers"]),
    "another step": (lambda t: t.assign(time=np.arange(len(t)) + 1), ["row 1: time is 2 s; allowed is 3"]),
    "another start": (lambda t: t.assign(time=t["time"] + 1), ["row 0: time is 2 s; allowed is 1"]),
    "a negative power": (lambda t: t.assign(**{"RL_0.78": -0.5}), ["row 0: RL_0.78 is -0.5; allowed are 0"]),
    "an infinity": (lambda t: t.assign(**{"RL_0.78": np.inf}), ["RL_0.78 is inf"]),
    "no rows": (lambda t: t.iloc[:0], ["has no rows"]),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_table_is_told_by_file_value_and_what_is_allowed(what, tmp_path):
    change, parts = WRONG[what]
    path = tmp_path / "wrong.parquet"
    change(table(300)).to_parquet(path)
    with pytest.raises(ReadError) as caught:
        read_spectrogram(path)
    for part in (str(path), *parts):
        assert part in str(caught.value)


def test_all_problems_are_told_at_once(tmp_path):
    table(300).drop(columns=["time", "LL_0.78"]).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ReadError, match=r"(?s)2 problems.*LL_0\.78.*'time' is missing"):
        read_spectrogram(tmp_path / "a.parquet")


def test_what_is_no_parquet_file_is_told(tmp_path):
    (tmp_path / "a.parquet").write_text("time,LL_0.59\n1,2\n")
    for name in ("a.parquet", "absent.parquet"):
        with pytest.raises(ReadError, match=rf"{name}: cannot be read as a Parquet file"):
            read_spectrogram(tmp_path / name)


@given(st.integers(300, 400), st.floats(0, 200))
def test_ten_minutes_are_cut_from_the_offset_on(n_columns, offset_s):
    whole = np.broadcast_to(np.arange(n_columns, dtype=np.float32), (4, 100, n_columns))
    if offset_s // 2 > n_columns - 300:
        with pytest.raises(ReadError, match=rf"x: lasts {2 * n_columns} s.*allowed is a start from 0 to "):
            cut_context(whole, offset_s, "x")
    else:
        made = cut_context(whole, offset_s, "x")
        assert made.shape == (4, 100, 300)
        assert 0 <= offset_s - 2 * made[0, 0, 0] < 2


def test_a_short_spectrogram_has_no_context():
    with pytest.raises(ReadError, match=r"x: lasts 598 s, and .* at 0 s; allowed is at least 600 s"):
        cut_context(np.zeros((4, 100, 299), dtype=np.float32), 0, "x")
