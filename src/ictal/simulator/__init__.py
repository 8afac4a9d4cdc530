"""Simulated EEG of the six patterns from a seed, so that everything runs without real data."""

from ictal.simulator.controls import CONTROLS, simulate_control
from ictal.simulator.eeg import SimulatedEeg, SimulationSettings, simulate_eeg
from ictal.simulator.floor import expected_kl
from ictal.simulator.timeline import simulate_recording

__all__ = [
    "CONTROLS",
    "SimulatedEeg",
    "SimulationSettings",
    "expected_kl",
    "simulate_control",
    "simulate_eeg",
    "simulate_recording",
]
