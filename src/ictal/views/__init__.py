"""Views: modules that turn raw windows into traces, images or features, as part of the model's graph."""

from ictal.views.context import Context, ContextSettings
from ictal.views.features import FEATURES, Features, FeaturesSettings
from ictal.views.spectrogram import Spectrogram, SpectrogramSettings
from ictal.views.volume import Volume, VolumeSettings
from ictal.views.waveform import Waveform, WaveformSettings

__all__ = [
    "FEATURES",
    "Context",
    "ContextSettings",
    "Features",
    "FeaturesSettings",
    "Spectrogram",
    "SpectrogramSettings",
    "Volume",
    "VolumeSettings",
    "Waveform",
    "WaveformSettings",
]
