"""EEG file formats: one reader per family, all opened with `open_recording`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ictal.io.open import as_recording, open_recording

__all__ = ["as_recording", "open_recording"]


def __getattr__(name: str) -> Any:
    """Import the readers on first use: a process of one vendor's reader needs no others."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ictal.io import open as readers

    return getattr(readers, name)
