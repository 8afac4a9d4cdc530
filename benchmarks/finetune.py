"""Measure what a few labelled patients are worth: from scratch, and from the model that ships with ictal.

The patients are simulated with settings that the model was never trained with: one amplifier and reference, half the
voltage, and a panel with other thresholds. The models are evaluated on other patients of that clinic. If the real
segments are next to the project, the same is done with them in a cross-validation by patient.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from _machine import SHARED, machine
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.core.windows import WINDOW_S, WINDOW_SAMPLES
from ictal.data.hms import EEGS, TABLE
from ictal.data.simulated import SimulatedDataset, write_folder
from ictal.evaluation import PatientBootstrap, kl_divergence
from ictal.evaluation.calibration import patient_folds
from ictal.experiments.model_evaluation import evaluate_model
from ictal.experiments.train_model import train
from ictal.recipes import Recipe, load_recipe
from ictal.simulator import SimulatedEeg, SimulationSettings
from ictal.simulator.eeg import compose
from ictal.simulator.fitted_parameters import KINDS, MANY, MANY_SIZES
from ictal.simulator.patient import draw_patient, draw_pattern
from ictal.simulator.raters import draw_votes, vote_distribution

REAL = SHARED / "iiic"
PLACE_OF_CLINIC = 7
"""Part of the seeds, so that no patient of the clinic is one of 'sim'."""
SCRATCH = (
    "calibration=none",
    *(
        f"training.{arm}.{setting}"
        for arm in ("symmetric", "spatial")
        for setting in (
            "stream=null",
            "learning_rates={peak: 0.003, epochs: 40, warm_up: 4}",
            "batch_size=16",
            "ema=0.95",
            "augment={mirror: 0.5, reverse: 0.25, shift: 0.5, shift_s: 1.0, scale: 0.5}",
        )
    ),
)
"""The network of the shipped model, with ten times the rate and three times the epochs of 'finetune'."""


@dataclass(frozen=True)
class Clinic(SimulatedDataset):
    """Patients of one hospital, unlike the patients that the shipped model was trained on."""

    def _simulate(self, patient: int, eeg: int) -> SimulatedEeg:
        person = draw_patient(np.random.default_rng((self.settings.seed, PLACE_OF_CLINIC, patient)))
        traits = replace(person.background, level_uv=0.5 * person.background.level_uv)
        person = replace(person, reference="vertex", high_pass_hz=1.0, low_pass_hz=35.0, background=traits)
        rng = np.random.default_rng((self.settings.seed, PLACE_OF_CLINIC, patient, eeg + 1))
        pattern = draw_pattern(rng, person, KINDS[rng.choice(len(KINDS), p=MANY)], WINDOW_S)
        samples, seen, *_ = compose(rng, person, pattern, WINDOW_SAMPLES)
        # This panel calls slower patterns seizures, calls more patterns lateralized, and overlooks faint ones.
        seen = replace(seen, seizure=seen.seizure + 1.5, lateral=seen.lateral + 1.0, strong=seen.strong - 0.7)
        name = f"patient {patient} EEG {eeg} of the clinic (seed {self.settings.seed})"
        return SimulatedEeg(samples, draw_votes(rng, seen, MANY_SIZES), vote_distribution(seen), name)


def subset(folder: Path, patients: Sequence[str], out: Path) -> Path:
    """Make a data set of some patients of another data set."""
    table = pd.read_csv(folder / TABLE, dtype={"patient_id": str})
    out.mkdir(parents=True)
    table[table["patient_id"].isin(patients)].to_csv(out / TABLE, index=False)
    (out / EEGS).symlink_to((folder / EEGS).resolve(), target_is_directory=True)
    return out


def divergence(predictions: Predictions) -> pd.DataFrame:
    """Return the KL divergence of each window, with its patient."""
    frame = predictions.frame
    kl = kl_divergence(frame[list(VOTE_COLUMNS)].to_numpy(), frame[list(PROBABILITY_COLUMNS)].to_numpy())
    return pd.DataFrame({"window_id": frame["window_id"], "patient_id": frame["patient_id"], "kl": kl})


def judge(model: str | Path, data: Path, cache: Path, recipe: Recipe) -> pd.DataFrame:
    return divergence(evaluate_model(model, str(data), recipe, cache)[1])


def interval(rows: pd.DataFrame, values: npt.ArrayLike, seed: int) -> str:
    """Return a mean with its patient-level bootstrap interval."""
    patients = rows["patient_id"].to_numpy(object)
    bootstrap = PatientBootstrap(patients, np.ones(len(rows)), 10_000, seed, 0.95)
    return str(bootstrap.mean(np.asarray(values, dtype=np.float64)))


def on_clinic(place: Path, model: str, counts: Sequence[int], eegs: int, n_test: int, seed: int) -> list[dict]:
    """Train on growing numbers of patients of the clinic, and evaluate on others."""
    n_patients = max(counts) + n_test
    settings = SimulationSettings(patients=n_patients, eegs_per_patient=eegs, seed=seed)
    write_folder(Clinic(settings), place / "clinic")
    everyone = [str(number) for number in range(n_patients)]
    test = subset(place / "clinic", everyone[max(counts) :], place / "test")
    options = load_recipe("quick", [f"seed={seed}"])
    as_it_is = judge(model, test, place / "cache", options)
    rows = [{"patients": 0, "way": f"{model}, as it is", "KL": interval(as_it_is, as_it_is["kl"], seed)}]
    print(rows[-1], flush=True)
    for count in counts:
        data = subset(place / "clinic", everyone[:count], place / f"train{count}")
        found = {}
        for way, begin_with in (("from scratch", None), (f"from {model}", model)):
            recipe = load_recipe(
                "finetune" if begin_with else "default", [f"seed={seed}", *(() if begin_with else SCRATCH)]
            )
            out = place / f"{way} {count}".replace(" ", "_")
            train(str(data), None, recipe, out, cache=place / "cache", begin_with=begin_with)
            found[way] = judge(out, test, place / "cache", options)
            rows.append({"patients": count, "way": way, "KL": interval(found[way], found[way]["kl"], seed)})
            print(rows[-1], flush=True)
        scratch, begun = found.values()
        gain = interval(begun, begun["kl"] - scratch["kl"], seed)
        rows.append({"patients": count, "way": "difference", "KL": gain})
        print(rows[-1], flush=True)
    return rows


def on_real(place: Path, model: str, folds: int, seed: int) -> dict[str, str]:
    """Fine-tune on real segments in a cross-validation by patient, and evaluate on the patients left out."""
    table = pd.read_csv(REAL / TABLE, dtype={"patient_id": str})
    patients = table["patient_id"].to_numpy(object)
    fold_of = patient_folds(patients, folds, seed)
    options = load_recipe("quick", [f"seed={seed}"])
    tuned, before = [], []
    for fold in range(folds):
        inside = sorted({*patients[fold_of == fold]})
        data = subset(REAL, sorted({*patients} - {*inside}), place / f"real{fold}")
        held = subset(REAL, inside, place / f"held{fold}")
        recipe = load_recipe("finetune", [f"seed={seed}"])
        train(str(data), None, recipe, place / f"tuned{fold}", cache=place / "cache", begin_with=model)
        tuned.append(judge(place / f"tuned{fold}", held, place / "cache", options))
        before.append(judge(model, held, place / "cache", options))
    after, as_it_is = pd.concat(tuned), pd.concat(before)
    return {
        f"KL of {model}, as it is": interval(as_it_is, as_it_is["kl"], seed),
        "KL after fine-tuning on other patients": interval(after, after["kl"], seed),
        "difference": interval(after, after["kl"].to_numpy() - as_it_is["kl"].to_numpy(), seed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--patients", default="5,10,20,40", help="labelled patients, separated by commas")
    parser.add_argument("--eegs", type=int, default=4, help="EEGs per patient")
    parser.add_argument("--test-patients", type=int, default=60)
    parser.add_argument("--folds", type=int, default=8, help="folds of the real segments")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(machine())
    counts = [int(count) for count in options.patients.split(",")]
    place = Path(tempfile.mkdtemp())
    try:
        found = {"clinic": on_clinic(place, options.model, counts, options.eegs, options.test_patients, options.seed)}
        print(pd.DataFrame(found["clinic"]).to_string(index=False))
        if REAL.exists():
            found["real"] = on_real(place, options.model, options.folds, options.seed)
            print(json.dumps(found["real"], indent=2, ensure_ascii=False))
    finally:
        shutil.rmtree(place)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
