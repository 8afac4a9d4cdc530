"""Files of EEG: one reader per family behind `open_recording`."""

from ictal.io.open import as_recording, open_recording

__all__ = ["as_recording", "open_recording"]
