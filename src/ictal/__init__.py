"""ictal: read critical-care EEG the way a panel of experts does. For research, not for clinical use."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "ablate": "ictal.study",
    "evaluate_model": "ictal.study",
    "load_model": "ictal.models",
    "read": "ictal.io",
    "simulate": "ictal.simulate",
    "train": "ictal.study",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and not before: torch alone takes seconds."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ictal' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)
