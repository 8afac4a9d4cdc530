import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from ictal.core.montage import CHANNELS
from ictal.io import open_recording
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.recipes import load_recipe
from ictal.views import Spectrogram, SpectrogramSettings, Waveform, WaveformSettings
from ictal.views.spectrogram import hz_to_mel, mel_filters, mel_to_hz

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
REFERENCE = load_recipe("paper").models.spatial.spectrogram
VIEWS = {
    "waveform": (lambda: Waveform(WaveformSettings()), (8, 2000)),
    "waveform of the double banana": (lambda: Waveform(WaveformSettings(montage="double_banana")), (18, 2000)),
    "spectrogram": (lambda: Spectrogram(SpectrogramSettings()), (4, 128, 256)),
    "small spectrogram": (lambda: Spectrogram(SpectrogramSettings(n_mels=32, width=50)), (4, 32, 50)),
    "reference spectrogram": (lambda: Spectrogram(REFERENCE), (4, 128, 256)),
}


def windows(n: int, seed: int = 0) -> torch.Tensor:
    return 40 * torch.randn(n, 20, 10_000, generator=torch.Generator().manual_seed(seed))


def synthetic_window() -> np.ndarray:
    """Return the window of golden/make_mel.py; the script needs librosa only in its other functions."""
    source = (GOLDEN / "make_mel.py").read_text().replace("import librosa\n", "")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_mel", None))
    exec(compile(source, "make_mel.py", "exec"), module.__dict__)
    return module.synthetic_window()


@pytest.fixture(params=VIEWS, scope="module")
def view_and_shape(request):
    make, shape = VIEWS[request.param]
    return make(), shape


@pytest.mark.parametrize("n", [1, 3])
def test_shape_and_type_whatever_the_autocast(view_and_shape, n):
    view, shape = view_and_shape
    with torch.autocast("cpu", torch.bfloat16):
        out = view(windows(n))
    assert out.shape == (n, *shape)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, view(windows(n)), rtol=0, atol=0)


def test_a_window_does_not_depend_on_its_batch(view_and_shape):
    view, _ = view_and_shape
    batch = windows(3)
    torch.testing.assert_close(view(batch)[1:2], view(batch[1:2]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scale", [0, 1e-6, 1e5])
def test_silence_and_noise_give_finite_numbers(view_and_shape, scale):
    view, _ = view_and_shape
    assert torch.isfinite(view(scale * windows(1))).all()


def test_a_view_has_nothing_to_save_and_lets_gradients_through(view_and_shape):
    view, _ = view_and_shape
    assert not view.state_dict()
    batch = windows(1).requires_grad_()
    view(batch).square().sum().backward()
    assert torch.isfinite(batch.grad).all()
    assert (batch.grad[:, :19].abs().sum(dim=2) > 0).sum() >= 8
    assert (batch.grad[:, CHANNELS.index("EKG")] == 0).all()


def test_waveforms_are_differences_of_electrodes_clipped_and_scaled():
    batch = windows(1)
    batch[0, CHANNELS.index("Fp1")] += 5000
    out = Waveform(WaveformSettings(clip_uv=300, scale_uv=10, decimate=4))(batch)[0]
    pairs = ["Fp1-T3", "T3-O1", "Fp1-C3", "C3-O1", "Fp2-C4", "C4-O2", "Fp2-T4", "T4-O2"]
    for row, pair in enumerate(pairs):
        anode, cathode = (batch[0, CHANNELS.index(name)] for name in pair.split("-"))
        expected = (anode - cathode)[::4].clamp(-300, 300) / 10
        torch.testing.assert_close(out[row], expected, rtol=1e-5, atol=1e-4)


def test_mel_bands_are_those_of_librosa():
    filters = np.load(GOLDEN / "mel.npz")["filters"]  # [band, bin], zero from 20 Hz on
    ours = mel_filters(128, 1024, 20).T
    np.testing.assert_allclose(ours, filters[:, : ours.shape[1]], rtol=1e-5, atol=1e-7)
    assert not filters[:, ours.shape[1] :].any()
    hertz = np.array([0, 1, 20, 999, 1000, 4000])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hertz)), hertz, rtol=1e-12)


def test_the_reference_image_is_that_of_librosa():
    golden = np.load(GOLDEN / "mel.npz")
    view = Spectrogram(REFERENCE)
    batch = torch.from_numpy(synthetic_window())[None]
    decibels = view.decibels(batch)[0].transpose(1, 2).numpy()
    assert golden["decibels"].min() == -80  # the floor is reached, so that it is tested
    np.testing.assert_allclose(decibels[:, ::4, ::4], golden["decibels"], rtol=0, atol=0.05)
    np.testing.assert_allclose(view(batch)[0, :, ::2, ::2].numpy(), golden["images"], rtol=0, atol=0.05 / 40)


@pytest.mark.parametrize("number", [21, 25, 32])
def test_a_real_window_agrees_with_a_fourier_transform_and_the_bands_of_librosa(shared_data, number):
    path = shared_data / "iiic" / "train_eegs" / f"{number}.parquet"
    window = standardise(open_recording(path), StandardiseSettings()).signal
    view = Spectrogram(REFERENCE)
    decibels = view.decibels(torch.from_numpy(window)[None])[0].transpose(1, 2).numpy()
    filters = np.load(GOLDEN / "mel.npz")["filters"].astype(np.float64)
    hann = np.pad(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 128), 448)
    chains = ("Fp1 F7 T3 T5 O1", "Fp1 F3 C3 P3 O1", "Fp2 F4 C4 P4 O2", "Fp2 F8 T4 T6 O2")
    pairs = [pair for chain in map(str.split, chains) for pair in pairwise(chain)]
    for row, (anode, cathode) in enumerate(pairs):
        signal = window[CHANNELS.index(anode)].astype(float) - window[CHANNELS.index(cathode)]
        padded = np.pad(signal, 512)
        frames = np.stack([padded[39 * frame : 39 * frame + 1024] for frame in range(256)])
        power = filters @ (abs(np.fft.rfft(frames * hann)) ** 2).T
        level = 10 * np.log10(np.maximum(power, 1e-10) / power.max())
        np.testing.assert_allclose(decibels[row], np.maximum(level, -80), rtol=0, atol=0.05)


def test_only_a_global_reference_keeps_amplitude():
    batch = windows(1)
    for reference, expected in (("global", 20 * np.log10(3) / 20), ("image", 0)):
        view = Spectrogram(SpectrogramSettings(reference=reference, scale_db=20))
        difference = view(3 * batch) - view(batch)
        torch.testing.assert_close(difference, torch.full((1, 4, 128, 256), expected).float(), rtol=0, atol=1e-4)


def test_a_rhythm_stands_at_its_frequency_time_and_side():
    batch = torch.zeros(1, 20, 10_000)
    time = torch.arange(10_000) / 200
    batch[0, CHANNELS.index("T3"), 6000:] = 50 * torch.sin(2 * torch.pi * 10 * time[6000:])
    image = Spectrogram(SpectrogramSettings())(batch)[0]
    assert image[0].max() > image[1:].max()  # LL holds T3, the others do not
    band, frame = divmod(int(image[0].argmax()), 256)
    assert (band + 1) * 20 / 129 == pytest.approx(10, abs=0.5)
    assert frame * 39 > 6000 - 64
    assert image[0, :, :100].max() < image[0, :, 170:].max() - 2
