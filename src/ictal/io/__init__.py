"""EEG file formats: one reader per family, all opened with `open_recording`; `join_recordings` joins pieces."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ictal.io.joined import join_recordings
    from ictal.io.open import as_recording, open_recording

__all__ = ["as_recording", "join_recordings", "open_recording"]


def __getattr__(name: str) -> Any:
    """Import the readers on first use: a process of one vendor's reader needs no others."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "ictal.io.joined" if name == "join_recordings" else "ictal.io.open"
    return getattr(import_module(module), name)
