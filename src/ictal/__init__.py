"""ictal: read critical-care EEG the way a panel of experts does. For research, not for clinical use."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "ablate": "ictal.experiments.ablation:ablate",
    "evaluate_model": "ictal.experiments.model_evaluation:evaluate_model",
    "load_model": "ictal.models.checkpoint:load_model",
    "plot_scores": "ictal.report.recording_figures:scores_figure",
    "read": "ictal.io:open_recording",
    "score": "ictal.scoring.pipeline:score",
    "score_archive": "ictal.archive.run:score_archive",
    "simulator": "ictal.simulator",
    "train": "ictal.experiments.train_model:train",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, and not before: torch alone takes seconds."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ictal' has no attribute '{name}'")
    module, _, attribute = _PUBLIC[name].partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    """Return the public names, also those that are not imported yet, beside what every module has."""
    return sorted({*globals(), *__all__})
