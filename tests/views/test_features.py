"""What the figures are promised to be: of known signals, of mirrored ones, and of signals that say nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ictal.core.montage import CHANNELS, MIRROR
from ictal.errors import RecipeError
from ictal.recipes import load_recipe
from ictal.views import FEATURES, Features, FeaturesSettings
from ictal.views.features import BANDS_HZ, LITTLE_UV2, LITTLE_UV_S
from tests.conftest import TINY

VIEW = Features(FeaturesSettings())
TIME = torch.arange(10_000) / 200
FOUR_LEFT = ("F3", "C3", "F7", "T3")


def noise(n: int = 1, seed: int = 0, scale: float = 5.0) -> torch.Tensor:
    """Return noise below 20 Hz, as the band-pass leaves it."""
    white = torch.randn(n, 20, 10_000, generator=torch.Generator().manual_seed(seed))
    spectrum = torch.fft.rfft(white)
    spectrum[..., 1000:] = 0
    return scale * torch.fft.irfft(spectrum, n=10_000) * 5**0.5


def figures(windows: torch.Tensor) -> dict[str, np.ndarray]:
    return dict(zip(FEATURES, VIEW(windows).T.numpy(), strict=True))


def added(wave: torch.Tensor, names: tuple[str, ...], scale: float = 5.0) -> torch.Tensor:
    windows = noise(scale=scale)
    windows[:, [CHANNELS.index(name) for name in names]] += wave
    return windows


def discharges(rate_hz: float, height: float = 100.0) -> torch.Tensor:
    phase = (TIME * rate_hz) % 1 / rate_hz
    return height * torch.exp(-(((phase - 0.2) / 0.04) ** 2) / 2)


def test_each_figure_has_a_name_of_its_own():
    assert len(FEATURES) == len({*FEATURES}) == VIEW(noise()).shape[1] == 101


@pytest.mark.parametrize("scale", [0, 1e-6, 1e6])
def test_silence_and_noise_give_finite_numbers_and_gradients(scale):
    windows = (scale * noise(2)).requires_grad_()
    found = VIEW(windows)
    assert torch.isfinite(found).all()
    assert found.dtype == torch.float32
    found.square().sum().backward()
    assert torch.isfinite(windows.grad).all()


def test_whatever_the_autocast_and_the_batch():
    batch = noise(3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(VIEW(batch), VIEW(batch))
        mixed = VIEW(batch)
    torch.testing.assert_close(mixed, VIEW(batch), rtol=0, atol=0)
    torch.testing.assert_close(VIEW(batch[1:2]), VIEW(batch)[1:2], rtol=1e-4, atol=1e-4)


def test_nothing_is_saved():
    assert not VIEW.state_dict()


@settings(max_examples=10)
@given(seed=st.integers(0, 2**20), factor=st.floats(-300, 300))
def test_neither_the_side_nor_the_reference_nor_the_heart_matters(seed, factor):
    windows = noise(1, seed, 20.0)
    windows[:, [CHANNELS.index(name) for name in FOUR_LEFT]] += discharges(1.3)
    expected = VIEW(windows)
    torch.testing.assert_close(VIEW(windows[:, MIRROR]), expected, rtol=1e-4, atol=1e-4)
    shifted = windows.clone()
    shifted[:, :19] += factor * torch.sin(2 * torch.pi * 7 * TIME)  # what the reference records
    shifted[:, 19] = 1000 * torch.sin(2 * torch.pi * TIME)
    torch.testing.assert_close(VIEW(shifted), expected, rtol=1e-3, atol=2e-3)


@settings(max_examples=20)
@given(hertz=st.floats(0.75, 19), amplitude=st.floats(20, 200))
def test_a_sine_has_its_power_in_its_band_and_its_line_length(hertz, amplitude):
    windows = torch.zeros(1, 20, 10_000)
    windows[0, CHANNELS.index("Cz")] = amplitude * torch.sin(2 * torch.pi * hertz * TIME)
    found = figures(windows)
    powers = [np.exp(found[f"window: log power {a:g} to {b:g} Hz, midline"][0]) - LITTLE_UV2 for a, b in BANDS_HZ]
    # Fz-Cz and Cz-Pz both have all of it; what leaks over the edge of a band is in the next one.
    assert sum(powers) == pytest.approx(amplitude**2 / 2, rel=0.05)
    own = [number for number, (low, high) in enumerate(BANDS_HZ) if low - 0.5 <= hertz < high + 0.5]
    assert sum(powers[number] for number in own) > 0.9 * sum(powers)
    line_length = np.exp(found["centre: log line length, midline"][0]) - LITTLE_UV_S
    # The mean of |cos| is 2 / pi; at 50 samples per second, a chord of the sine is shorter by sinc(f / 50).
    expected = 4 * amplitude * hertz * np.sinc(hertz / 50)
    assert line_length == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("rate_hz", [0.5, 1.0, 1.7, 2.5])
def test_discharges_repeat_at_their_rate(rate_hz):
    found = figures(added(discharges(rate_hz), FOUR_LEFT, 2.0))
    for course in ("waves", "transients"):
        for span in ("centre", "window"):
            height = found[f"{span}: repetition of {course}, height"][0]
            assert height > 0.45
            weighted = found[f"{span}: repetition of {course}, height x rate"][0]
            assert weighted / height == pytest.approx(np.log2(rate_hz), abs=0.06)  # lags are 0.02 s apart
        assert found[f"window: repetition of {course}, change"][0] < 0.1
    without = figures(noise(scale=2.0))
    assert without["window: repetition of waves, height"][0] < 0.2
    name = "window: log kurtosis, asymmetry"  # which falls as discharges come to fill the time
    assert rate_hz > 1 or found[name][0] > without[name][0] + 0.5


def test_one_side_is_told_from_both():
    wave = 80 * torch.sin(2 * torch.pi * 1.5 * TIME)
    left, both = (figures(added(wave, names)) for names in (FOUR_LEFT, (*FOUR_LEFT, "F4", "C4", "F8", "T4")))
    name = "window: log power 0.5 to 1.5 Hz, asymmetry"
    assert left[name][0] > 1 > both[name][0]
    name = "window: left-right correlation of waves, highest"
    assert both[name][0] > 0.9 > 0.3 > abs(left[name][0])
    rhythm = "window: spectral entropy, typical"
    assert both[rhythm][0] < figures(noise())[rhythm][0] - 1


def test_the_centre_is_the_ten_seconds_from_20_to_30():
    windows = noise(2)
    outside, inside = windows[:1].clone(), windows[:1].clone()
    outside[..., :4000], outside[..., 6000:] = noise(1, 5, 50.0)[..., :4000], noise(1, 6, 50.0)[..., 6000:]
    inside[..., 4000:6000] *= 3
    whole, of_outside, of_inside = (figures(each) for each in (windows[:1], outside, inside))
    of_centre = [name for name in FEATURES if name.startswith("centre")]
    assert len(of_centre) == 36 + 8 + 4
    for name in of_centre:
        # Traces are cut between samples, and nothing is filtered here.
        np.testing.assert_allclose(of_outside[name], whole[name], rtol=1e-4, atol=1e-4)
    change = "log power, centre minus window"
    assert of_inside[change][0] > whole[change][0] + 0.5
    assert of_outside[change][0] < whole[change][0] - 1


def test_bursts_between_suppression_have_a_range():
    on = (torch.arange(10_000) // 1000 % 2).float()
    bursts, steady = figures(noise() * on), figures(noise())
    name = "window: log power, loudest minus quietest"
    assert bursts[name][0] > steady[name][0] + 3


def test_what_is_too_large_is_clipped():
    huge = noise()
    huge[0, CHANNELS.index("F7")] *= 1e5
    limited = Features(FeaturesSettings(clip_uv=100.0))(huge)
    assert not torch.allclose(limited, VIEW(huge), atol=0.1)
    with pytest.raises(ValidationError, match="clip_uv"):
        FeaturesSettings(clip_uv=0)


def test_a_band_that_50_hz_cannot_carry_is_refused():
    recipe = load_recipe(TINY, ["standardise.band_hz=[0.5, 40]", "models.temporal.waveform.decimate=2"])
    with pytest.raises(RecipeError, match=r"features are measured at 50 Hz.*band that ends at 25 Hz"):
        recipe.training_of("features")
