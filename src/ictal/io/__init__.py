"""EEG file formats: one reader per family, all opened with `open_recording`."""

from ictal.io.open import as_recording, open_recording

__all__ = ["as_recording", "open_recording"]
