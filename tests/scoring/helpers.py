"""Small models, engines and recordings that the tests of scoring share."""

import atexit
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from platformdirs import user_cache_path
from scipy import signal as sp
from torch import nn

from ictal.core.montage import CHANNELS, MONTAGES, derivations_of
from ictal.core.recording import Recording, Signal
from ictal.models.arm_network import ArmNetwork, MeanOfArms, parts_of
from ictal.models.build import build
from ictal.models.checkpoint import Card, save_model
from ictal.models.model_settings import ModelSettings
from ictal.models.output import ModelOutput
from ictal.preprocessing.settings import StandardiseSettings
from ictal.scoring.engines import WindowBatch
from ictal.scoring.export import export_model
from ictal.scoring.export_contract import Contract
from tests.conftest import TINY

SMALL = ModelSettings.model_validate(yaml.safe_load(Path(TINY).read_text())["models"])


def with_wavenet(settings: ModelSettings = SMALL, decimate: int = 5, **values: object) -> ModelSettings:
    """Return settings whose WaveNet has other values."""
    own = settings.temporal
    temporal = own.model_copy(
        update={
            "waveform": own.waveform.model_copy(update={"decimate": decimate}),
            "wavenet": own.wavenet.model_copy(update=values),
        }
    )
    return settings.model_copy(update={"temporal": temporal})


SHARING = with_wavenet(edges="drop", norm="batch")
"""The temporal network drops its edges, so that windows share frames."""


def eeg(seconds: float, rate_hz: float = 200, seed: int = 0) -> Signal:
    """Return noise [20, time] whose amplitude, rhythm and side change every 15 s: no two windows are alike."""
    rng = np.random.default_rng(seed)
    n_samples = round(seconds * rate_hz)
    noise = sp.lfilter([1], [1, -0.9], rng.normal(0, 8, (len(CHANNELS), n_samples)), axis=1)
    at = np.arange(n_samples) / rate_hz
    chapters = (at // 15).astype(int)
    n = chapters[-1] + 1
    loud, hz, left = rng.uniform(0.3, 3, n), rng.uniform(1, 8, n), rng.uniform(0, 1, n)
    phase = 2 * np.pi * np.cumsum(hz[chapters]) / rate_hz
    sides = np.array([name[-1].isdigit() and int(name[-1]) % 2 for name in CHANNELS], dtype=bool)
    share = np.where(sides[:, None], left[chapters], 1 - left[chapters])
    places = rng.uniform(0.2, 1, (len(CHANNELS), 1))
    return np.asarray(noise * loud[chapters] + 60 * places * share * np.sin(phase), dtype=np.float32)


def recording_of(samples: npt.NDArray[np.floating], rate_hz: float = 200, **more: Any) -> Recording:
    """Return a recording of all 20 channels; what else is known of it is handed on."""
    made = Recording.from_array(samples, CHANNELS, rate_hz, more.pop("name", "made"))
    return Recording(made.name, made.channels, made.rate_hz, made.n_samples, made.source, **more)


def windows_of(n: int, step: int = 2000, seed: int = 0) -> WindowBatch:
    """Return a piece with so many windows, and contexts of which some columns are missing."""
    signal = eeg((10_000 + step * (n - 1)) / 200, seed=seed)
    contexts = np.random.default_rng(seed).normal(0, 2, (n, 4, 100, 300)).cumsum(axis=3) / 8
    contexts[::2, 1, :, :120] = np.nan
    return WindowBatch(signal, [step * number for number in range(n)], np.exp(contexts).astype(np.float32))


def network_of(arm: str, settings: ModelSettings, seed: int = 0) -> ArmNetwork | MeanOfArms:
    """Return an untrained network whose predictions differ from window to window."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build(arm, settings, initial=False).eval()
    for part in parts_of(network):
        _spread(part)
    return network


def save(folder: Path, arm: str, settings: ModelSettings, seed: int = 0, **card: Any) -> Path:
    """Save a model of `network_of`."""
    network = network_of(arm, settings, seed)
    values = {"standardise": StandardiseSettings(), "data": "none", "data_fingerprint": "0", "recipe": "tiny"}
    save_model(folder, network, Card(arm=arm, models=settings, seed=seed, ictal_version="0", **(values | card)))
    return folder


def _spread(part: ArmNetwork) -> None:
    """Scale the last layer so that its outputs on some windows have mean 0 and deviation 1."""
    linear = [module for module in part.modules() if isinstance(module, nn.Linear)]
    last = next(module for module in reversed(linear) if module.out_features in (6, 7))
    piece = windows_of(5, step=6000, seed=9)
    windows = np.stack([piece.window(number) for number in range(5)])
    inputs = piece.contexts if part.sees_context else windows
    with torch.no_grad():
        outputs = part.network(torch.from_numpy(inputs)).float()
        scale = 1 / outputs.std(dim=0)
        last.weight *= scale[:, None]
        last.bias.copy_((last.bias - outputs.mean(dim=0)) * scale)


def exported(arm: str = "temporal", settings: ModelSettings = SHARING) -> Path:
    """Return the folder of a saved and exported model, made once; copy it before you change it."""
    return _exported(arm, settings.model_dump_json(), user_cache_path("ictal"))


@cache
def _exported(arm: str, settings: str, cached: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="ictal-model-"))
    save(folder, arm, ModelSettings.model_validate_json(settings))
    for made in (folder, export_model(folder)):
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    return folder


def contract(**values: Any) -> Contract:
    """Return a contract of a model that looks at the eight long derivations."""
    known = {
        "name": "made",
        "arm": "temporal",
        "data": "none",
        "warnings": (),
        "weights_sha256": "0",
        "card": "0",
        "standardise": StandardiseSettings(),
        "derivations": tuple(str(one) for one in derivations_of(MONTAGES["long_chains"])),
        "sees_context": False,
        "parts": (),
        "graphs": {},
        "torch_version": "0",
        "onnx_version": "0",
    }
    return Contract(**(known | values))


@dataclass
class Loudness:
    """An engine of which it is plain what it answers: by the amplitude of the first derivation, and its contexts.

    Attributes
    ----------
    asked
        How many windows it was given each time.
    """

    contract: Contract = field(default_factory=contract)
    asked: list[int] = field(default_factory=list)
    described: dict[str, Any] = field(default_factory=lambda: {"engine": "loudness"})

    def for_recording(self) -> "Loudness":
        """Return the engine itself."""
        return self

    def __call__(self, piece: WindowBatch) -> ModelOutput:
        """Return a share of seizure that grows with amplitude, and one of LPD that grows with the context's power."""
        self.asked.append(len(piece.starts))
        found = np.full((len(piece.starts), 6), 0.1)
        for number in range(len(piece.starts)):
            window = piece.window(number).astype(np.float64)
            assert window.shape == (20, 10_000)
            found[number, 0] += (np.std(window[0] - window[4]) / 200) ** 2
            if piece.contexts is not None:
                found[number, 1] += (
                    np.nanmean(np.log1p(piece.contexts[number])) + np.isnan(piece.contexts[number]).mean()
                )
        return ModelOutput(found / found.sum(axis=1, keepdims=True))
