"""Networks, and the arms that they make: raw windows in, logits of the six patterns out."""

from ictal.models.arms import ARMS, Arm, ModelSettings, build, find_arm
from ictal.models.weights import Card, load_model, save_model

__all__ = ["ARMS", "Arm", "Card", "ModelSettings", "build", "find_arm", "load_model", "save_model"]
