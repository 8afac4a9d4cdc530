"""What only the spectrogram has: Fourier factors, two ways through a batch, and the limits of its settings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ictal.core.montage import CHANNELS, MIRROR
from ictal.core.windows import WINDOW_SAMPLES
from ictal.views import Spectrogram, SpectrogramSettings
from ictal.views.spectrogram import POWER_FLOOR, fourier_factors, mel_filters

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SMALL = SpectrogramSettings(n_mels=16, width=20)


def windows(n: int) -> torch.Tensor:
    return 40 * torch.randn(n, 20, 10_000, generator=torch.Generator().manual_seed(0))


def test_mel_bands_are_those_of_librosa_to_the_last_digit_of_float32():
    golden = np.load(GOLDEN / "mel.npz")["filters"]
    ours = mel_filters(128, 1024, 20).T
    assert ours.shape == (128, 103)  # bins of 0.195 Hz below 20 Hz
    # librosa rounds to float32: half a step is 6e-8 of the value.
    np.testing.assert_allclose(golden[:, :103], ours, rtol=1e-6, atol=0)


@given(frame=st.integers(16, 200), spare=st.integers(0, 900), share=st.floats(0.02, 1))
def test_the_factors_are_the_fourier_transform_of_the_padded_hann_frame(frame, spare, share):
    n_fft = frame + spare
    n_bins = max(1, int(share * (n_fft // 2 + 1)))
    basis, cosine, sine = fourier_factors(frame, n_fft, n_bins)
    signal = np.random.default_rng(frame).normal(size=frame)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)  # periodic, as scipy's get_window and librosa
    bins = np.arange(n_bins)
    from_middle = np.exp(2j * np.pi * bins * (frame / 2) / n_fft)
    expected = np.fft.rfft(signal * hann, n_fft)[:n_bins] * from_middle
    projected = signal @ basis
    real, imaginary = projected[: len(cosine)] @ cosine, projected[len(cosine) :] @ sine
    # What is cut off is 1e-7 of the largest singular value, itself at most the norm of all of the matrix.
    atol = 1e-7 * np.linalg.norm(signal) * np.sqrt(frame * n_bins)
    np.testing.assert_allclose(real, expected.real, rtol=0, atol=atol)
    np.testing.assert_allclose(imaginary, -expected.imag, rtol=0, atol=atol)


def test_the_factors_of_the_reference_are_thin():
    basis, cosine, sine = fourier_factors(128, 1024, 103)
    assert (basis.shape, len(cosine), len(sine)) == ((128, 38), 19, 19)


@pytest.mark.parametrize("reference", ["global", "image"])
def test_one_by_one_and_all_at_once_are_the_same(monkeypatch, reference):
    view = Spectrogram(SMALL.model_copy(update={"reference": reference}))
    batch = windows(4) * torch.tensor([1, 30, 0.1, 5])[:, None, None]
    one_by_one = view(batch)
    torch.testing.assert_close(view.images(batch), one_by_one, rtol=1e-5, atol=1e-4)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(view(batch), one_by_one, rtol=1e-5, atol=1e-4)


def test_each_derivation_has_its_own_zero_decibels():
    batch = windows(2)
    batch[1, CHANNELS.index("T3")] *= 100
    view = Spectrogram(SMALL.model_copy(update={"reference": "image", "range_db": 30.0}))
    decibels = view.decibels(batch)
    assert decibels.shape == (2, 16, 20, 16)
    assert (decibels.amax(dim=(2, 3)) == 0).all()
    assert (decibels >= -30).all()


def test_silence_has_the_least_power():
    view = Spectrogram(SMALL)
    silent = view.decibels(torch.zeros(1, 20, 10_000))
    torch.testing.assert_close(silent, torch.full_like(silent, 10 * np.log10(POWER_FLOOR)))
    assert POWER_FLOOR == 1e-10  # librosa's amin


def test_a_pixel_is_the_mean_of_four_derivations_moved_and_scaled():
    settings = SMALL.model_copy(update={"offset_db": 7.0, "scale_db": 3.0})
    view, batch = Spectrogram(settings), windows(1)
    decibels = view.decibels(batch)[0].numpy()
    for chain, image in enumerate(view(batch)[0].numpy()):
        expected = (decibels[4 * chain : 4 * chain + 4].mean(axis=0).T + 7) / 3
        np.testing.assert_allclose(image, expected, rtol=1e-5, atol=1e-5)


def test_folded_sides_are_their_mean_and_difference_and_have_no_left_and_right():
    apart, folded = Spectrogram(SMALL), Spectrogram(SMALL.model_copy(update={"sides": "folded"}))
    lateral_left, left, right, lateral_right = apart(windows(2)).unbind(dim=1)
    image = folded(windows(2))
    pairs = ((lateral_left, lateral_right), (left, right))
    expected = [(a + b) / 2 for a, b in pairs] + [(a - b).abs() for a, b in pairs]
    torch.testing.assert_close(image, torch.stack(expected, dim=1))
    assert torch.equal(folded(windows(2)[:, list(MIRROR)]), image)
    assert not torch.equal(apart(windows(2)[:, list(MIRROR)]), apart(windows(2)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frame": 256, "n_fft": 128}, "frame is 256; allowed is at most n_fft, which is 128"),
        ({"width": 10_001}, "width is 10001; allowed is at most 10000 frames"),
        ({"max_hz": 101}, "less than or equal to 100"),
        ({"scale_db": 0}, "greater than 0"),
    ],
)
def test_settings_that_make_no_image_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        SpectrogramSettings(**values)


@pytest.mark.parametrize("width", [8, 99, 3000])
def test_any_width_is_met_whether_or_not_it_divides_the_window(width):
    settings = SpectrogramSettings(n_mels=8, width=width, frame=64, n_fft=256)
    assert settings.hop == 10_000 // width
    assert Spectrogram(settings)(windows(1)).shape == (1, 4, 8, width)


def test_pixels_are_clipped_where_the_settings_say_so():
    plain, clipped = (Spectrogram(SMALL.model_copy(update={"clip": clip}))(windows(2)) for clip in (None, 0.5))
    assert plain.abs().max() > 0.5
    torch.testing.assert_close(clipped, plain.clamp(-0.5, 0.5))


def test_a_view_of_the_middle_makes_the_image_of_that_and_sees_nothing_else():
    rng = np.random.default_rng(0)
    windows = torch.from_numpy(rng.normal(0, 20, (2, 20, WINDOW_SAMPLES)).astype(np.float32))
    view = Spectrogram(SpectrogramSettings(n_mels=32, width=100, seconds=10))
    image = view(windows)
    assert image.shape == (2, 4, 32, 100)
    torch.testing.assert_close(image, view(windows[..., 4000:6000]))
    windows[..., :4000] = windows[..., 6000:] = 0
    torch.testing.assert_close(view(windows), image)


def test_no_more_frames_than_samples_are_seen():
    with pytest.raises(ValidationError, match="allowed is at most 2000 frames"):
        SpectrogramSettings(width=2001, seconds=10)
