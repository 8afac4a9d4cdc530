"""Names that the shell completes. None of these needs torch, so that the Tab key answers at once."""

from collections.abc import Iterable
from importlib import resources

EVENT_PATTERNS = ("seizure", "lpd", "gpd", "lrda", "grda")
PATTERNS = (*EVENT_PATTERNS, "other")
ARMS = (
    "temporal", "spatial", "both", "features", "fusion", "fusion-finetuned", "volume", "symmetric", "context",
    "KE", "KR", "KER", "SE", "both-weighted", "KE-weighted", "KR-weighted", "KER-weighted", "SE-weighted",
)  # fmt: skip
ENGINES = ("auto", "onnxruntime", "openvino", "torch")
FORMATS = ("parquet", "csv", "bids", "edf", "json", "report")
METHODS = ("occlusion", "gradients", "gradcam")
NETWORKS = ("sparcnet", "biot-16", "biot-18")
TABLES = ("burden", "events", "scores", "recordings")
WEIGHTS = ("window", "eeg", "patient")
"""Names of registries that take seconds to import; a test compares them with these."""
DATA = ("sim", "sim:temporal", "sim:spatial", "sim:joint", "sim:null")


def complete_model(incomplete: str) -> list[str]:
    """Complete the name of a model."""
    from ictal.models.hub import named_folders

    return _beginning(incomplete, (folder.name for folder in named_folders()))


def complete_dataset(incomplete: str) -> list[str]:
    """Complete the name of a public data set."""
    from ictal.data.public_datasets import DATASETS

    return _beginning(incomplete, DATASETS)


def complete_recipe(incomplete: str) -> list[str]:
    """Complete the name of a recipe."""
    files = resources.files("ictal").joinpath("recipes").iterdir()
    return _beginning(incomplete, sorted(file.name[:-5] for file in files if file.name.endswith(".yaml")))


def complete_arm(incomplete: str) -> list[str]:
    """Complete the name of an arm."""
    return _beginning(incomplete, ARMS)


def complete_arms(incomplete: str) -> list[str]:
    """Complete the last name of a list of arms."""
    return _last(incomplete, (*ARMS, "all"))


def complete_formats(incomplete: str) -> list[str]:
    """Complete the last name of a list of formats."""
    return _last(incomplete, (*FORMATS, "all"))


def complete_pattern(incomplete: str) -> list[str]:
    """Complete the name of a pattern."""
    return _beginning(incomplete, PATTERNS)


def complete_event_pattern(incomplete: str) -> list[str]:
    """Complete the name of a pattern that forms events."""
    return _beginning(incomplete, EVENT_PATTERNS)


def complete_engine(incomplete: str) -> list[str]:
    """Complete the name of an engine."""
    return _beginning(incomplete, ENGINES)


def complete_method(incomplete: str) -> list[str]:
    """Complete the name of a method of explanation."""
    return _beginning(incomplete, METHODS)


def complete_network(incomplete: str) -> list[str]:
    """Complete the name of a public network."""
    return _beginning(incomplete, NETWORKS)


def complete_table(incomplete: str) -> list[str]:
    """Complete the name of a table of an archive."""
    return _beginning(incomplete, TABLES)


def complete_weight(incomplete: str) -> list[str]:
    """Complete the name of what has equal weight."""
    return _beginning(incomplete, WEIGHTS)


def complete_page(incomplete: str) -> list[str]:
    """Complete the name of a time span to draw."""
    return _beginning(incomplete, ("centre", "window"))


def complete_data(incomplete: str) -> list[str]:
    """Complete the name of simulated data."""
    return _beginning(incomplete, DATA)


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _last(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    chosen = before.split(",")
    return [f"{before}{comma}{name}" for name in _beginning(last, names) if name not in chosen]
