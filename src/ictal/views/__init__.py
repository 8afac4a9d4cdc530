"""What a network looks at: modules that turn raw windows into traces or images, inside the model's graph."""

from ictal.views.spectrogram import Spectrogram, SpectrogramSettings
from ictal.views.waveform import Waveform, WaveformSettings

__all__ = ["Spectrogram", "SpectrogramSettings", "Waveform", "WaveformSettings"]
