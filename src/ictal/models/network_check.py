"""Check the networks of own arms on simulated windows, before anything is trained."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ictal.core.labels import PATTERNS
from ictal.core.montage import CHANNELS, Derivation
from ictal.core.recording import Recording
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.errors import ModelError, listed
from ictal.models.arm_network import ArmNetwork
from ictal.models.arms import find_arm, own_code
from ictal.models.build import build_trained
from ictal.models.estimator import check_conversion
from ictal.models.input_needs import derivations_seen, seconds_seen
from ictal.models.model_settings import ModelSettings
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.simulator import simulate_eeg

N_WINDOWS = 2
AGREE = 1e-3
"""Largest allowed difference of a logit, relative to the largest: float32 on other batch sizes stays far below."""
UNSEEN_UV = 50.0
"""Standard deviation of noise that a network must not see."""


def check_own_arms(names: Sequence[str], settings: ModelSettings, input_settings: StandardiseSettings) -> None:
    """Check the networks of own arms among these on two simulated windows; the other arms are known to pass.

    Raises
    ------
    ModelError
        If a network cannot be made, its logits have another shape than [batch, 6] or are not finite, change from one
        call to the next or with the other windows of a batch, or depend on voltages that its views do not have.
    """
    own = list(own_code(names))
    windows = _windows(input_settings) if own else torch.empty(0)
    for name in own:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = build_trained(name, settings).eval()
            if find_arm(name).kind == "estimator":
                check_conversion(network)
            elif not any(parameter.requires_grad for parameter in network.parameters()):
                raise ModelError(f"the arm '{name}': its network has no parameters, so there is nothing to train")
            _check(name, network, windows)


def _windows(settings: StandardiseSettings) -> Tensor:
    """Return two windows [2, 20, 10000] of simulated EEG, as training has them."""
    made = [simulate_eeg(0, patient, 0).samples for patient in range(N_WINDOWS)]
    recordings = [Recording.from_array(samples, CHANNELS, RATE_HZ, "simulated EEG") for samples in made]
    return torch.from_numpy(np.stack([standardise(one, settings).signal for one in recordings]))


def _check(name: str, network: ArmNetwork, windows: Tensor) -> None:
    logits = _outputs(name, network, windows)
    derivations, seen_s = derivations_seen(network), seconds_seen(network)
    unseen = windows + _unseen(windows, derivations, seen_s)
    changed = {
        "gives other logits when it is called again": _outputs(name, network, windows),
        "gives a window other logits alone than in a batch": torch.cat(
            [_outputs(name, network, window[None]) for window in windows]
        ),
        f"reads more than the {len(derivations)} derivations and {seen_s:g} s of its views; allowed is to read all "
        "voltages through views, or none": _outputs(name, network, unseen),
    }
    for problem, others in changed.items():
        off = float((others - logits).abs().max())
        if off > AGREE * max(1.0, float(logits.abs().max())):
            raise ModelError(f"the arm '{name}': its network {problem} (logits differ by {off:.2g})")


def _outputs(name: str, network: ArmNetwork, windows: Tensor) -> Tensor:
    """Return the outputs of the network inside, if they are logits."""
    try:
        with torch.inference_mode():
            found = network.network(windows)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"the arm '{name}': its network fails on windows {list(windows.shape)}: {type(error).__name__}: {error}"
        ) from error
    wanted = [len(windows), len(PATTERNS)]
    if not isinstance(found, Tensor) or list(found.shape) != wanted:
        shape = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ModelError(
            f"the arm '{name}': its network returns {shape} for {len(windows)} windows; needed are logits {wanted}, "
            f"in the order {listed(PATTERNS)}"
        )
    if not torch.isfinite(found).all():
        raise ModelError(f"the arm '{name}': its network returns logits that are not finite for simulated EEG")
    return found.float()


def _unseen(windows: Tensor, derivations: Sequence[Derivation], seen_s: float) -> Tensor:
    """Return noise that changes nothing in these derivations within the middle of windows; none if there are none."""
    noise = torch.zeros_like(windows)
    if not derivations:
        return noise
    generator = torch.Generator().manual_seed(0)
    groups = [*range(len(CHANNELS))]  # electrodes that derivations connect have the same number, and the same noise
    for pair in derivations:
        first, second = (groups[CHANNELS.index(electrode)] for electrode in (pair.anode, pair.cathode))
        groups = [first if group == second else group for group in groups]
    kinds = torch.randn(windows.shape, generator=generator) * UNSEEN_UV
    noise = kinds[:, groups]
    margin = (WINDOW_SAMPLES - round(seen_s * RATE_HZ)) // 2
    if margin:
        outside = torch.randn(windows.shape, generator=generator) * UNSEEN_UV
        outside[..., margin : WINDOW_SAMPLES - margin] = 0
        noise = noise + outside
    return noise
