"""Files of EEG: one reader per family behind `open_recording`."""

from ictal.io.open import open_recording

__all__ = ["open_recording"]
