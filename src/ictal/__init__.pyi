from ictal import errors, simulator
from ictal.archive.bids_folder import archive_to_bids
from ictal.archive.query import query_archive
from ictal.archive.run import retry_archive, score_archive
from ictal.archive.status import archive_status
from ictal.data.fetch import fetch
from ictal.data.simulation_files import simulate
from ictal.deidentification.deidentify import deidentify
from ictal.evaluation.compare_files import compare
from ictal.evaluation.experts import compare_with_experts
from ictal.experiments.ablation import ablate
from ictal.experiments.model_calibration import calibrate_model as calibrate
from ictal.experiments.model_evaluation import evaluate_model as evaluate
from ictal.experiments.prediction import predict
from ictal.experiments.train_model import train
from ictal.experiments.window_explanation import explain_window as explain
from ictal.io.convert import convert
from ictal.io.joined import join_recordings as join
from ictal.io.open import open_recording as read
from ictal.live.replay import replay
from ictal.live.simulated_ward import simulate_live
from ictal.models.add import add_model
from ictal.models.checkpoint import load_model
from ictal.models.hub import describe_model, list_models
from ictal.models.hub_export import export_for_hub
from ictal.models.own_arms import arm, estimator
from ictal.models.plugins import load_plugin
from ictal.models.public.import_model import import_model
from ictal.report.recording_figures import scores_figure as plot_scores
from ictal.scoring.event_scoring import evaluate_files as evaluate_events
from ictal.scoring.pipeline import score
from ictal.scoring.recording_info import info
from ictal.scoring.szcore import szcore
from ictal.web.view import view
from ictal.web.watch import watch

__version__: str
__all__ = [
    "__version__",
    "ablate",
    "add_model",
    "archive_status",
    "archive_to_bids",
    "arm",
    "calibrate",
    "compare",
    "compare_with_experts",
    "convert",
    "deidentify",
    "describe_model",
    "errors",
    "estimator",
    "evaluate",
    "evaluate_events",
    "explain",
    "export_for_hub",
    "fetch",
    "import_model",
    "info",
    "join",
    "list_models",
    "load_model",
    "load_plugin",
    "plot_scores",
    "predict",
    "query_archive",
    "read",
    "replay",
    "retry_archive",
    "score",
    "score_archive",
    "simulate",
    "simulate_live",
    "simulator",
    "szcore",
    "train",
    "view",
    "watch",
]

evaluate_model = evaluate  # deprecated
