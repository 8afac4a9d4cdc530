"""Predict how a panel of experts would label critical-care EEG. For research, not for clinical use."""

import warnings
from importlib import import_module
from typing import Any

from ictal.errors import naming_extras

__version__ = "0.2.0.dev0"

_PUBLIC = {
    "ablate": "ictal.experiments.ablation:ablate",
    "add_model": "ictal.models.add:add_model",
    "arm": "ictal.models.own_arms:arm",
    "archive_status": "ictal.archive.status:archive_status",
    "archive_to_bids": "ictal.archive.bids_folder:archive_to_bids",
    "calibrate": "ictal.experiments.model_calibration:calibrate_model",
    "compare": "ictal.evaluation.compare_files:compare",
    "compare_with_experts": "ictal.evaluation.experts:compare_with_experts",
    "deidentify": "ictal.deidentification.deidentify:deidentify",
    "convert": "ictal.io.convert:convert",
    "describe_model": "ictal.models.hub:describe_model",
    "errors": "ictal.errors",
    "estimator": "ictal.models.own_arms:estimator",
    "evaluate": "ictal.experiments.model_evaluation:evaluate_model",
    "evaluate_events": "ictal.scoring.event_scoring:evaluate_files",
    "explain": "ictal.experiments.window_explanation:explain_window",
    "export_for_hub": "ictal.models.hub_export:export_for_hub",
    "fetch": "ictal.data.fetch:fetch",
    "import_model": "ictal.models.public.import_model:import_model",
    "info": "ictal.scoring.recording_info:info",
    "join": "ictal.io.joined:join_recordings",
    "list_models": "ictal.models.hub:list_models",
    "load_model": "ictal.models.checkpoint:load_model",
    "load_plugin": "ictal.models.plugins:load_plugin",
    "plot_scores": "ictal.report.recording_figures:scores_figure",
    "predict": "ictal.experiments.prediction:predict",
    "query_archive": "ictal.archive.query:query_archive",
    "read": "ictal.io.open:open_recording",
    "replay": "ictal.live.replay:replay",
    "retry_archive": "ictal.archive.run:retry_archive",
    "score": "ictal.scoring.pipeline:score",
    "score_archive": "ictal.archive.run:score_archive",
    "simulate": "ictal.data.simulation_files:simulate",
    "simulate_live": "ictal.live.simulated_ward:simulate_live",
    "simulator": "ictal.simulator",
    "szcore": "ictal.scoring.szcore:szcore",
    "train": "ictal.experiments.train_model:train",
    "view": "ictal.web.view:view",
    "watch": "ictal.web.watch:watch",
}
"""Module of each public name; the stub `__init__.pyi` lists the same names with their types."""
_DEPRECATED = {"evaluate_model": "evaluate"}
"""Deprecated names, which still work, and their replacements."""
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, because torch alone takes seconds."""
    if name in _DEPRECATED:
        today = _DEPRECATED[name]
        warnings.warn(f"ictal.{name} is deprecated; use ictal.{today}", DeprecationWarning, stacklevel=2)
        name = today
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ictal' has no attribute '{name}'")
    module, _, attribute = _PUBLIC[name].partition(":")
    with naming_extras(f"ictal.{name}"):
        found = import_module(module)
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    """Return the public names, including those that are not imported yet, and what every module has."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
