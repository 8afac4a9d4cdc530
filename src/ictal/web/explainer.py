"""What in a window speaks for a pattern, and what the network makes of it: the only part of the viewer with torch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from ictal.core.labels import PATTERN_TITLES
from ictal.core.montage import CHAINS, MONTAGES, derivations_of
from ictal.core.recording import Signal
from ictal.core.windows import WINDOW_S
from ictal.errors import ModelError, UnknownNameError
from ictal.explanations.base import METHOD_NAMES, Floats
from ictal.explanations.gradcam import Gradcam, gradcam
from ictal.explanations.integrated_gradients import IntegratedGradients, integrate_gradients
from ictal.explanations.occlusion import occlude_cells
from ictal.models.arm_network import ArmNetwork, parts_of
from ictal.models.checkpoint import Model, load_model
from ictal.report.derivation_evidence import LEAST_NATS, of_derivations
from ictal.web.overview import numbers
from ictal.web.similar import LabelledWindows, simulated_windows

DERIVATIONS = [str(pair) for pair in derivations_of(MONTAGES["double_banana"])]
STRETCH_S = 5
"""Occlusion takes away one electrode for so long: at 2 s it would take three times as long as a reader waits."""
MOST_STEPS = 128
"""Of integrated gradients: a reader waits, and a map whose shares do not add up says so."""
STEPS, WINDOWS = 1, 4
"""Per pass with and without gradients: two steps would take 0.13 GiB more, and on a CPU hardly less time."""
COARSER = 2
"""Neighbouring bands and frames of an image of which the mean is shown."""


class Explainer:
    """A loaded model, asked by one thread at a time.

    Parameters
    ----------
    folder
        Of the model.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model: Model = load_model(folder)

    def export(self) -> None:
        """Make the graphs that engines run, see `ictal.scoring.export.export_model`."""
        from ictal.scoring.export import export_model  # ONNX would take memory from those who only ask

        export_model(self.folder)

    def why(self, window: Signal, start_s: float, pattern: str, method: str) -> dict[str, Any]:
        """Return what speaks for a pattern, for the page.

        Parameters
        ----------
        window
            Standardised, [20, 10000], µV.
        start_s
            Of the window.
        pattern, method
            Names.

        Raises
        ------
        UnknownNameError
            If there is no such pattern or method.
        ModelError
            If the method does not apply to the network.
        """
        if method not in METHOD_NAMES:
            raise UnknownNameError("method", method, METHOD_NAMES)
        grid, note = self._grid(window, pattern, method)
        image = self._image(window, pattern, wanted=method == "gradcam")
        length_s = WINDOW_S / max(grid.shape[1], 1)
        return {
            "pattern": pattern,
            "method": method,
            "derivations": DERIVATIONS if grid.size else [],
            "times_s": numbers(start_s + (np.arange(grid.shape[1]) + 0.5) * length_s, 3),
            "grid": [numbers(row, 3) for row in _scaled(grid)],
            "mel": _mel(image, start_s) if image else None,
            "note": note,
        }

    def features(self, windows: Sequence[Signal]) -> Signal:
        """Return what the network's last layer looks at, [window, feature].

        Raises
        ------
        ModelError
            If the network looks at more than the windows.
        """
        network = self.model.network
        if network.sees_context:
            raise ModelError("this network looks at the ten minutes around a window, of which no features are kept")
        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(windows))
            parts = [_features(arm, batch) for arm in parts_of(network)]
        return np.concatenate([part.float().numpy() for part in parts], axis=1)

    def simulated(self, numbers: range) -> LabelledWindows:
        """Return some simulated windows by their features, see `ictal.web.similar`."""
        names, votes, windows = simulated_windows(numbers, self.model.card.standardise)
        return names, votes, self.features(windows)

    def _grid(self, window: Signal, pattern: str, method: str) -> tuple[Floats, str]:
        """Return a map of the derivations, [18, time], nats, and how to read it; Grad-CAM has none."""
        title, network = PATTERN_TITLES[pattern], self.model.network
        if method == "gradcam":
            return np.empty((0, 0)), f"Bright: where the image that the network looks at speaks for {title}."
        if method == "gradients":
            found = integrate_gradients(network, window, pattern, most_steps=MOST_STEPS, batch_size=STEPS)
            return of_derivations(found.grid), _of_gradients(found, title)
        return of_derivations(occlude_cells(network, window, pattern, STRETCH_S, WINDOWS)), (
            f"Warm speaks for {title}: with it taken away, the model is less sure. Cool speaks against it. "
            f"Each electrode is taken away for {STRETCH_S} s at a time."
        )

    def _image(self, window: Signal, pattern: str, *, wanted: bool) -> Gradcam | None:
        """Return Grad-CAM, or None where it does not apply to the network and nobody asked for it by name."""
        try:
            return gradcam(self.model.network, window, pattern)
        except ModelError:
            if wanted:
                raise
            return None


def _features(arm: ArmNetwork, batch: torch.Tensor) -> torch.Tensor:
    features = cast(Callable[[torch.Tensor], torch.Tensor], arm.network.features)
    return features(batch)


def _of_gradients(found: IntegratedGradients, title: str) -> str:
    if not found.complete:
        return f"Do not read this map: its shares miss what they should add up to by {abs(found.gap):.2f} nats."
    if not found.readable:
        return f"Do not read this map: silence looks more like {title} to the model than this window does."
    return (
        f"Warm speaks for {title}, cool against it: shares of the {found.difference:.2f} nats from silence, which "
        f"the model calls {title} with probability {found.silence:.2f}, to this window."
    )


def _scaled(grid: Floats) -> Floats:
    """Return a map whose largest magnitude is 1; next to nothing stays next to nothing."""
    return grid / max(float(np.abs(grid).max(initial=0.0)), LEAST_NATS)


def _mel(found: Gradcam, start_s: float) -> dict[str, Any]:
    heat = _coarse(found.heat) / max(float(found.heat.max()), 1e-12)
    shown = [numbers(row, 2) for row in heat]
    return {
        "frequencies_hz": numbers(_coarse(found.hertz[:, None].repeat(COARSER, axis=1))[:, 0], 2),
        "times_s": numbers(start_s + _coarse(found.seconds[None].repeat(COARSER, axis=0))[0], 3),
        "db": {
            name: [numbers(row, 1) for row in _coarse(image)]
            for name, image in zip(CHAINS, found.images, strict=True)
        },
        "gradcam": dict.fromkeys(CHAINS, shown),
    }


def _coarse(image: Floats) -> npt.NDArray[np.float64]:
    """Return means of blocks of an image [row, column], without what does not fill one."""
    rows, columns = (size // COARSER for size in image.shape)
    whole = image[: rows * COARSER, : columns * COARSER]
    return np.asarray(whole.reshape(rows, COARSER, columns, COARSER).mean(axis=(1, 3)))
