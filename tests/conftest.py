"""What every test shares: fixed Hypothesis settings, a cache, one finished run, and the folder of real data."""

import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ictal.experiments.ablation import Ablation, ablate

# What ictal caches (solved heads, exported models) and the user's own models are kept from other test processes and
# from the user. Test modules simulate EEG while they are imported, so this cannot wait for a fixture.
CACHE = tempfile.TemporaryDirectory(prefix="ictal-tests-")
os.environ["XDG_CACHE_HOME"] = CACHE.name
os.environ["XDG_DATA_HOME"] = f"{CACHE.name}/data"

TINY = str(Path(__file__).with_name("tiny.yaml"))
SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"

# A shell ignores Ctrl-C in what it runs in the background, and so do all programs that the tests start there.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Derandomised, so that a run of the suite is a fact about the commit and not about the day.
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=40,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=15)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data, which is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not here: {SHARED_DATA} is absent")
    return SHARED_DATA


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def run(tmp_path_factory, cache) -> Ablation:
    """One whole run that the tests look at and none changes."""
    return ablate("sim", TINY, out=tmp_path_factory.mktemp("run") / "run", cache=cache)
