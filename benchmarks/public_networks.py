"""Measure public networks with random weights: parameters, size, and time of scoring an hour of simulated EEG.

The published weights are not here. Random ones take the same time; what they predict means nothing.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

import ictal
from _machine import machine
from ictal.io.edf.writer import write_edf
from ictal.models.public.networks import NETWORKS
from ictal.simulator import simulate_recording


def seconds(recording: Path, model: str, step_s: float, threads: int) -> tuple[float, float]:
    """Return wall time and CPU time of scoring a recording, from opening the file to the probabilities."""
    wall, cpu = time.perf_counter(), time.process_time()
    ictal.score(recording, model=model, step_s=step_s, threads=threads)
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--steps", nargs="+", type=float, default=[10, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    print(f"{machine()}; {chosen.threads} threads, median of {chosen.repeats}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["XDG_DATA_HOME"] = made  # models that are imported here are gone afterwards
        night = folder / "hour.edf"
        write_edf(night, simulate_recording(seed=1, patient=0, hours=1))
        for name in chosen.networks:
            torch.manual_seed(0)
            save_file(NETWORKS[name].build().state_dict(), folder / "weights.safetensors")
            ictal.import_model(name, folder / "weights.safetensors", name)
            model = ictal.describe_model(name)
            print(f"{name}: {model.card.n_parameters:,} parameters, {model.megabytes:.1f} MB")
            for step_s in chosen.steps:
                times = [seconds(night, name, step_s, chosen.threads) for _ in range(chosen.repeats)]
                wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
                print(f"  an hour at a step of {step_s:g} s: {wall:.1f} s; {cpu:.1f} s of CPU time")


if __name__ == "__main__":
    main()
