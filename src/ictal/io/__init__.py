"""EEG file formats: one reader per family, all opened with `open_recording`."""

from ictal.io.open import open_recording

__all__ = ["open_recording"]
