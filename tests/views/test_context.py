import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ictal.io.regional_spectrogram import cut_context, read_spectrogram
from ictal.views import Context, ContextSettings

EXACT = {"offset": 0.0, "scale": 1.0, "low": -20.0, "high": 20.0}


def contexts(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 4, 100, 300, generator=torch.Generator().manual_seed(seed)).mul(2).exp()


@pytest.mark.parametrize(
    ("settings", "width"), [({}, 256), ({"width": 300}, 300), ({"columns": 30, "width": 10}, 10)]
)
def test_shape_and_type_whatever_the_autocast(settings, width):
    view = Context(ContextSettings(**settings))
    with torch.autocast("cpu", torch.bfloat16):
        out = view(contexts(3))
    assert out.shape == (3, 4, 100, width)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out[1:2], view(contexts(3)[1:2]), rtol=1e-5, atol=1e-5)
    assert not view.state_dict()


def test_a_pixel_is_the_logarithm_between_its_limits_with_offset_and_scale():
    batch = contexts(2)
    batch[0, 0, 0, :3] = torch.tensor([0.0, 1e-30, 1e30])
    out = Context(ContextSettings(width=300, low=-3, high=2, offset=0.5, scale=4))(batch)
    expected = (np.log(np.clip(batch.numpy().astype(float), math.exp(-3), math.exp(2))) + 0.5) / 4
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-6)


@given(st.integers(1, 150).map(lambda half: 2 * half), st.data())
def test_the_central_columns_are_averaged_evenly(columns, data):
    width = data.draw(st.integers(1, columns))
    batch = contexts(1)
    out = Context(ContextSettings(columns=columns, width=width, **EXACT))(batch)[0]
    level = batch[0, ..., 150 - columns // 2 : 150 + columns // 2].double().log()
    # each column counts as often as the pixels it touches: repeated, so that pixels hold whole numbers of them
    repeated = level.repeat_interleave(width, dim=-1).reshape(4, 100, width, columns)
    torch.testing.assert_close(out.double(), repeated.mean(dim=-1), rtol=0, atol=1e-5)


def test_a_missing_pixel_gets_the_mean_of_its_row_and_a_missing_row_zero():
    batch = contexts(2)
    batch[0, 1, 7, 100:250] = torch.nan
    batch[0, 2, 8] = torch.nan
    view = Context(ContextSettings(width=300))
    out, whole = view(batch), view(contexts(2))
    torch.testing.assert_close(
        out[0, 1, 7, 100:250], whole[0, 1, 7, [*range(100), *range(250, 300)]].mean().expand(150)
    )
    assert (out[0, 2, 8] == 0).all()
    there = ~batch.isnan()
    torch.testing.assert_close(out[there], whole[there], rtol=0, atol=0)
    nothing = Context(ContextSettings())(torch.full((1, 4, 100, 300), torch.nan))
    assert (nothing == 0).all()


def test_gradients_are_finite_where_pixels_are_missing():
    batch = contexts(1)
    batch[0, 0, :, :200] = torch.nan
    batch[0, 1] = torch.nan
    batch[0, 2, 0, 0] = 0
    batch.requires_grad_()
    Context(ContextSettings())(batch).square().sum().backward()
    assert torch.isfinite(batch.grad).all()
    assert (batch.grad[0, 3] != 0).any()
    assert (batch.grad[0, 1] == 0).all()


def test_pixels_of_real_spectrograms_have_about_zero_mean_and_unit_deviation(shared_data):
    view = Context(ContextSettings(width=300))
    folder = shared_data / "hms"
    images = []
    for name in ("train_spectrograms/1000189855", "test_spectrograms/853520"):
        whole = read_spectrogram(folder / f"{name}.parquet")
        starts = range(0, whole.shape[2] * 2 - 599, 260)
        images.append(view(torch.from_numpy(np.stack([cut_context(whole, start, name) for start in starts]))).mean(0))
    pixels = torch.stack(images)
    assert abs(float(pixels.mean())) < 0.15
    assert float(pixels.std()) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"columns": 301}, "columns"),
        ({"columns": 31}, "columns"),
        ({"width": 0}, "width"),
        ({"columns": 200}, "width is 256; allowed is at most the number of columns, 200"),
        ({"low": 8.0}, "low is 8; allowed is less than high, 8"),
        ({"scale": 0.0}, "scale"),
    ],
)
def test_impossible_settings_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        ContextSettings(**values)
