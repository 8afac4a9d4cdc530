"""Explanations and features of windows, as plain values for the page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERN_TITLES
from ictal.core.montage import CHAINS, MONTAGES, derivations_of
from ictal.core.progress import Progress, silent
from ictal.core.recording import Signal
from ictal.core.windows import WINDOW_S
from ictal.errors import ModelError, UnknownNameError
from ictal.explanations.explained import METHOD_NAMES, Explained, Floats, open_explained
from ictal.explanations.gradcam import Gradcam, gradcam
from ictal.explanations.integrated_gradients import IntegratedGradients, integrate_gradients
from ictal.explanations.occlusion import occlude_cells
from ictal.report.derivation_evidence import LEAST_NATS, of_derivations
from ictal.scoring.export_contract import read_input
from ictal.web.overview import numbers
from ictal.web.similar import LabelledWindows, simulated_windows
from ictal.web.worker_process import release_memory

DERIVATIONS = [str(pair) for pair in derivations_of(MONTAGES["double_banana"])]
STRETCH_S = 5
"""Seconds for which occlusion removes one electrode; 2 s would take three times as long."""
MOST_STEPS = 128
"""Limit of steps of integrated gradients, to keep readers from waiting; an incomplete map is marked as such."""
COARSER = 2
"""Factor by which images are reduced, in frequency and time."""


class Explainer:
    """Explains the predictions of a model.

    Parameters
    ----------
    folder
        Folder of the model.
    model
        The model, if it has been opened already.
    """

    def __init__(self, folder: Path, model: Explained | None = None) -> None:
        self.folder = folder
        self.model = model or open_explained(folder)

    def ask(self, what: str, *arguments: Any, progress: Progress = silent) -> Any:
        """Return the result of a method, as `ictal.web.worker_process.WorkerProcess` does in another process."""
        try:
            return getattr(self, what)(*arguments, progress=progress)
        finally:
            release_memory()

    def stop(self) -> None:
        """Do nothing: a request ends with the thread that made it."""

    def export(self, progress: Progress = silent) -> None:
        """Export the model for the scoring engines, see `ictal.scoring.export.export_model`."""
        from ictal.scoring.export import export_model  # ONNX needs memory, and explanations do not need ONNX

        export_model(self.folder)

    def why(
        self, window: Signal, start_s: float, pattern: str, method: str, progress: Progress = silent
    ) -> dict[str, Any]:
        """Return the evidence for a pattern as plain values for the page.

        Parameters
        ----------
        window
            The standardised window, [20, 10000], µV.
        start_s
            Start of the window.
        pattern, method
            Names of the pattern and of the method.
        progress
            Called after each step; an exception that it raises ends the work.

        Raises
        ------
        UnknownNameError
            If there is no such pattern or method.
        ModelError
            If the method does not apply to the network.
        """
        if method not in METHOD_NAMES:
            raise UnknownNameError("method", method, METHOD_NAMES)
        grid, note = self._grid(window, pattern, method, progress)
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

    def features(self, windows: Sequence[Signal], progress: Progress = silent) -> Signal:
        """Return the inputs of the network's last layer, [window, feature].

        Raises
        ------
        ModelError
            If the network needs more than the windows.
        """
        return self.model.features(np.stack(windows))

    def simulated(self, numbers: range, progress: Progress = silent) -> LabelledWindows:
        """Return simulated windows with their features, see `ictal.web.similar`."""
        names, votes, windows = simulated_windows(numbers, read_input(self.folder).standardise)
        return names, votes, self.features(windows)

    def _grid(self, window: Signal, pattern: str, method: str, progress: Progress) -> tuple[Floats, str]:
        """Return a map over derivations, [18, time], in nats, and a note on how to read it; Grad-CAM has no map."""
        title = PATTERN_TITLES[pattern]
        if method == "gradcam":
            return np.empty((0, 0)), f"Bright: evidence for {title} in the image that the network sees."
        if method == "gradients":
            found = integrate_gradients(self.model, window, pattern, most_steps=MOST_STEPS, progress=progress)
            return of_derivations(found.grid), _of_gradients(found, title)
        return of_derivations(occlude_cells(self.model, window, pattern, STRETCH_S, progress)), (
            f"Warm: evidence for {title}. Without it, the model is less certain. Cool: evidence against it. "
            f"Each electrode is removed for {STRETCH_S} s at a time."
        )

    def _image(self, window: Signal, pattern: str, *, wanted: bool) -> Gradcam | None:
        """Return the Grad-CAM map; None if the network does not support it, unless it is `wanted`."""
        try:
            return gradcam(self.model, window, pattern)
        except ModelError:
            if wanted:
                raise
            return None


def _of_gradients(found: IntegratedGradients, title: str) -> str:
    if not found.complete:
        return f"Do not use this map: the sum of its contributions is off by {abs(found.gap):.2f} nats."
    if not found.readable:
        return f"Do not use this map: the model gives {title} a higher probability in silence than in this window."
    return (
        f"Warm: evidence for {title}. Cool: evidence against it. The contributions add up to the difference of "
        f"{found.difference:.2f} nats between this window and silence, in which {title} has the probability "
        f"{found.silence:.2f}."
    )


def _scaled(grid: Floats) -> Floats:
    """Return a map scaled to a largest magnitude of 1; negligible maps stay negligible."""
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
    """Return an image [row, column] reduced by averaging blocks; incomplete blocks are left out."""
    rows, columns = (size // COARSER for size in image.shape)
    whole = image[: rows * COARSER, : columns * COARSER]
    return np.asarray(whole.reshape(rows, COARSER, columns, COARSER).mean(axis=(1, 3)))
