"""Train several networks on the same stream of simulated windows, and evaluate which learns most.

These figures were used to choose the networks of the shipped model. They come from 32 real segments and 14 patients,
so their intervals are as wide as most differences. With --parts, nothing is trained. Instead, the networks of an
average are evaluated: each one alone, those of each arm together, and all.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from _machine import SHARED, machine
from ictal.experiments.model_evaluation import evaluate_model
from ictal.experiments.train_model import train
from ictal.models.arm_network import ArmNetwork, averaged, parts_of
from ictal.models.arms import members
from ictal.models.calibration import NO_CALIBRATION
from ictal.models.checkpoint import load_model, save_model
from ictal.recipes import Recipe, load_recipe
from real_seizures import scored, told

SECONDS = 10.0
WAVEFORM = {"montage": "long_chains", "decimate": 4, "seconds": SECONDS}
IMAGE = {"n_mels": 64, "width": 100, "clip": 3.0, "seconds": SECONDS}


def image_network(name: str, pretrained: str = "no") -> dict[str, Any]:
    network = {"network": name, "pretrained": pretrained, "drop_rate": 0.2}
    return {"spatial": {"spectrogram": IMAGE, "efficientnet": network}}


WAVENET = {
    "temporal": {
        "waveform": WAVEFORM,
        "wavenet": {"norm": "batch", "filters": [16, 32, 64], "kernels": [4, 4, 4], "dilations": [6, 5, 4]},
    }
}
CANDIDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "symmetric, 73,000 parameters": ("symmetric", {"widths": (12, 16, 24, 32), "hemisphere": 48, "both": 64}),
    "symmetric, 287,000": ("symmetric", {}),
    "symmetric, 1,100,000": ("symmetric", {"widths": (48, 64, 96, 128), "hemisphere": 192, "both": 256}),
    "WaveNet": ("temporal", WAVENET),
    "EfficientNet-B0": ("spatial", image_network("efficientnet_b0")),
    "EfficientNet-lite0": ("spatial", image_network("tf_efficientnet_lite0")),
    "EfficientNet-lite0, ImageNet": ("spatial", image_network("tf_efficientnet_lite0", "package")),
    "EfficientNet-lite2, ImageNet": ("spatial", image_network("tf_efficientnet_lite2", "package")),
    "WaveNet + EfficientNet-lite0, joint": ("fusion", WAVENET | image_network("tf_efficientnet_lite0")),
}


def recipe_of(arm: str, models: dict[str, Any], n_windows: int, peak: float) -> Recipe:
    """Return the recipe of the shipped model, with another network and fewer windows."""
    content = load_recipe("simulated").model_dump(mode="json")
    settings = next(iter(content["training"].values()))
    settings["stream"]["windows"] = 2048
    epochs = max(2, n_windows // 2048)
    settings["learning_rates"] = {"peak": peak, "epochs": epochs, "warm_up": max(1, epochs // 10)}
    content["training"], content["calibration"], content["seeds"] = {arm: settings}, "none", 1
    if arm == "symmetric":
        content["models"]["symmetric"]["symmetric"] |= models
    else:
        content["models"] |= models
    return Recipe.model_validate(content)


def judge(model: Path, cache: Path) -> dict[str, float]:
    """Return the figures of a model on real EEG."""
    found = evaluate_model(model, str(SHARED / "iiic"), "quick", cache)[0].to_json()
    names = ("kl", "balanced_accuracy", "lateralized_auroc", "periodic_auroc")
    seizures = told(str(model), scored(load_model(model), SHARED / "seizure"), 1000, 0)
    against = {name: seizures[name] for name in ("auroc_after", "auroc_healthy")}
    return {name: found[name] for name in names} | against


def parts(model: str, cache: Path) -> list[dict[str, Any]]:
    """Return the figures of each network of an average, of those of each arm, and of all."""
    loaded = load_model(model)
    card = loaded.card
    arms = members(card.arm, card.seeds)
    networks = dict(zip(arms, parts_of(loaded.network), strict=True))
    groups: dict[str, dict[str, ArmNetwork]] = {name: {name: network} for name, network in networks.items()}
    for arm in dict.fromkeys(arms.values()):
        own = {name: networks[name] for name in arms if arms[name] == arm}
        if len(own) > 1:
            groups[f"the mean of {len(own)} {arm}"] = own
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for title, own in groups.items():
            about = {"arm": arms[next(iter(own))], "seeds": len(own), "calibration": NO_CALIBRATION}
            save_model(Path(folder), averaged(own), card.model_copy(update=about))
            rows.append({"network": title} | judge(Path(folder), cache))
    return [*rows, {"network": "all"} | judge(Path(model), cache)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=40_960, help="windows to train each network on")
    parser.add_argument("--peak", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--only", action="append", help="name of a candidate; may be repeated")
    parser.add_argument("--parts", metavar="MODEL", help="evaluate the networks of this average, and train none")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/networks"), help="run folder; an interrupted run resumes"
    )
    options = parser.parse_args()
    print(machine())
    if options.parts:
        print(pd.DataFrame(parts(options.parts, options.out / "cache")).round(3).to_string(index=False))
        return
    rows = []
    for name, (arm, models) in CANDIDATES.items():
        if options.only and name not in options.only:
            continue
        place = options.out / name.replace(" ", "_").replace(",", "")
        told = place / "figures.json"
        if not told.exists():
            begun = time.perf_counter()
            train(
                "sim", arm, recipe_of(arm, models, options.windows, options.peak), place, cache=options.out / "cache"
            )
            minutes = (time.perf_counter() - begun) / 60
            size = sum(weight.numel() for weight in load_model(place).network.parameters())
            told.write_text(
                json.dumps({"parameters": size, "minutes": minutes} | judge(place, options.out / "cache"))
            )
        rows.append({"network": name} | json.loads(told.read_text()))
        print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False, header=len(rows) == 1), flush=True)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
