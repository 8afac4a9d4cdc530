"""EEG of the six patterns from a seed: the embedded data set, so that everything runs without real data."""

from ictal.simulate.eeg import SimulatedEeg, SimulationSettings, simulate_eeg

__all__ = ["SimulatedEeg", "SimulationSettings", "simulate_eeg"]
