"""Estimators of scikit-learn on hand-made features, kept and run as ONNX graphs: no pickles."""

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS
from ictal.errors import ModelError, require
from ictal.models.arm_network import ArmNetwork
from ictal.views.features import FEATURES, Features, FeaturesSettings

LEAST = 1e-6
"""Smallest probability: a forest gives some patterns none at all, and the logarithm must be finite."""
OPSET = 18
"""Version of the operators of the graphs, and of an export that contains one."""
FEATURES_IN, PROBABILITIES_OUT = "features", "probabilities"
"""Names of the input and the output of the graphs."""


class EstimatorNetwork(nn.Module):
    """Raw windows [batch, 20, 10000] to logits [batch, 6], through features and a fitted estimator.

    The estimator is an ONNX graph, in bytes, which is saved with the weights and run by ONNX Runtime on the CPU. It
    has no gradients.

    Parameters
    ----------
    features
        Of the view.
    unfitted
        Makes the estimator.
    """

    estimator: Tensor

    def __init__(self, features: FeaturesSettings, unfitted: Callable[[], Any]) -> None:
        super().__init__()
        self.view = Features(features)
        self.unfitted = unfitted
        self.register_buffer("estimator", torch.empty(0, dtype=torch.uint8))

    def fit(
        self,
        features: npt.NDArray[np.float32],
        patterns: npt.NDArray[np.int64],
        weights: npt.NDArray[np.float64],
        seed: int,
    ) -> None:
        """Fit a new estimator.

        Parameters
        ----------
        features
            [row, feature].
        patterns, weights
            Number of the pattern and weight of each row; each pattern has a row.
        seed
            Every `random_state` of the estimator is set from it.
        """
        unfitted = self.unfitted()
        states = [name for name in unfitted.get_params() if name.rpartition("__")[2] == "random_state"]
        unfitted.set_params(**dict.fromkeys(states, seed % 2**32))
        try:
            unfitted.fit(features, patterns, **{_weight_parameter(unfitted): weights})
        except Exception as error:
            raise ModelError(
                f"{type(unfitted).__name__} cannot be fitted: {type(error).__name__}: {error}"
            ) from error
        self.estimator = torch.frombuffer(bytearray(as_onnx(unfitted)), dtype=torch.uint8)

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits: logarithms of the estimator's probabilities."""
        probabilities: Tensor = estimate(self.view(windows).float(), self.estimator)
        return probabilities.clamp(min=LEAST).log()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load a graph, which may have any length."""
        stored = state_dict.get(f"{prefix}estimator")
        if stored is not None:
            self.estimator = torch.empty_like(stored)
        super()._load_from_state_dict(state_dict, prefix, *rest)


@torch.library.custom_op("ictal::estimate", mutates_args=())
def estimate(features: Tensor, graph: Tensor) -> Tensor:
    """Return the probabilities [batch, 6] that a graph, in bytes, computes of features [batch, feature]."""
    session = _session(graph.cpu().numpy().tobytes())
    (probabilities,) = session.run([PROBABILITIES_OUT], {FEATURES_IN: features.detach().cpu().numpy()})
    return torch.from_numpy(np.asarray(probabilities, np.float32)).to(features.device)


@estimate.register_fake
def _(features: Tensor, graph: Tensor) -> Tensor:
    return features.new_empty(features.shape[0], N_PATTERNS)


@lru_cache(maxsize=8)
def _session(graph: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # few rows at a time
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def check_estimator(name: str, made: Any) -> Any:
    """Return an estimator if it can be fitted to distributions of votes; a `ModelError` says why it cannot."""
    lacking = [method for method in ("fit", "predict_proba", "get_params") if not hasattr(made, method)]
    if lacking:
        raise ModelError(
            f"the arm '{name}': {type(made).__name__} has no {', '.join(lacking)}, so it is not a classifier of "
            "scikit-learn that predicts probabilities"
        )
    _weight_parameter(made)
    return made


def _weight_parameter(unfitted: Any) -> str:
    """Return the name of the weights of rows in the `fit` of an estimator, or of a pipeline that ends in one."""
    from sklearn.utils.validation import has_fit_parameter

    *_, (step, last) = getattr(unfitted, "steps", [("", unfitted)])
    if not has_fit_parameter(last, "sample_weight"):
        raise ModelError(
            f"{type(last).__name__} takes no sample_weight, and so cannot be fitted to distributions of votes, of "
            "which each pattern is a weighted row"
        )
    return f"{step}__sample_weight" if step else "sample_weight"


def as_onnx(fitted: Any) -> bytes:
    """Return a fitted estimator as an ONNX graph from 'features' [batch, 101] to 'probabilities' [batch, 6].

    Raises
    ------
    ModelError
        If skl2onnx cannot convert it.
    """
    require("train", "an estimator of scikit-learn", "skl2onnx")
    import onnx.utils
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    inputs = [(FEATURES_IN, FloatTensorType([None, len(FEATURES)]))]
    try:  # without a name, the graph would get a random one, and resuming another file
        graph = skl2onnx.convert_sklearn(fitted, "estimator", inputs, target_opset=OPSET, options={"zipmap": False})
    except Exception as error:
        what = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{type(fitted).__name__} cannot be saved as an ONNX graph by skl2onnx {skl2onnx.__version__}: {what}"
        ) from error
    without_labels = onnx.utils.Extractor(graph).extract_model([FEATURES_IN], [PROBABILITIES_OUT])
    return bytes(without_labels.SerializeToString())


def check_conversion(network: ArmNetwork) -> None:
    """Fit the estimator of an arm to noise, so that one that cannot be fitted or saved is refused before training."""
    inner = network.network
    assert isinstance(inner, EstimatorNetwork)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20 * N_PATTERNS, len(FEATURES))).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that does not converge, as noise may not let it
        inner.fit(features, np.arange(len(features)) % N_PATTERNS, np.ones(len(features)), seed=0)
