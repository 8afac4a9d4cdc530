"""The measures of MNE-Python and braindecode, used as their documentation shows."""

import time
from collections.abc import Callable

import mne
import torch
from braindecode.models import Deep4Net, EEGNetv4
from torch import nn

from _sides import Measure, Setup, timed
from speed import step

N_DERIVATIONS, N_SAMPLES, BATCH = 18, 500, 32
"""The input of ictal's symmetric network: the double banana over 10 s at 50 Hz."""


def _open(setup: Setup) -> mne.io.BaseRaw:
    return mne.io.read_raw_edf(setup.folder / "night.edf", preload=True, verbose="error")


def _read(setup: Setup) -> Measure:
    return timed(lambda: _open(setup), _open(setup).duration / 3600)


def _filter(setup: Setup) -> Measure:
    """Do the same band-pass and resampling as ictal, through MNE."""
    whole = _open(setup)
    band = {"iir_params": {"order": 4, "ftype": "butter"}, "method": "iir", "phase": "zero", "verbose": "error"}

    def run() -> float:
        raw = whole.copy()
        begun = time.perf_counter()
        raw.resample(200, method="polyphase", verbose="error").filter(0.1, 20.0, picks="all", **band)
        return 1e3 * (time.perf_counter() - begun) / (whole.duration / 3600)

    return run


def network(name: str) -> nn.Module:
    """Return a braindecode network for that input; it returns logits."""
    size = {"n_chans": N_DERIVATIONS, "n_outputs": 6, "n_times": N_SAMPLES}
    return Deep4Net(**size, add_log_softmax=False) if name == "Deep4Net" else EEGNetv4(**size)


def _train(name: str, _: Setup) -> Measure:
    return timed(step(network(name).train(), torch.randn(BATCH, N_DERIVATIONS, N_SAMPLES), bf16=False), BATCH)


MEASURES: dict[str, Callable[[Setup], Measure]] = {
    "read": _read,
    "filter": _filter,
    "train Deep4Net": lambda setup: _train("Deep4Net", setup),
    "train EEGNetv4": lambda setup: _train("EEGNetv4", setup),
}
