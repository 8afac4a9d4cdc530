import pandas as pd
import pytest

import ictal
from ictal.errors import RunError, UnknownNameError, UsageError
from ictal.simulator import SimulationSettings, simulate_recording


def test_hours_give_a_recording_and_a_file_where_one_is_named(tmp_path):
    night = ictal.simulate(hours=0.02, seed=3, patient=1)
    expected = simulate_recording(3, 1, 0.02)
    assert (night.name, night.annotations) == (expected.name, expected.annotations)
    assert (night.read() == expected.read()).all()
    ictal.simulate(tmp_path / "night.edf", hours=0.02, seed=3)
    assert ictal.read(tmp_path / "night.edf").duration_s == 72
    with pytest.raises(RunError, match=r"night\.edf: exists"):
        ictal.simulate(tmp_path / "night.edf", hours=0.02)


def test_without_hours_a_folder_is_made(tmp_path):
    told = []
    folder = ictal.simulate(
        tmp_path / "sim", SimulationSettings(patients=2), eegs_per_patient=1, progress=lambda *args: told.append(args)
    )
    assert folder == tmp_path / "sim"
    assert len(pd.read_csv(folder / "train.csv")) == 2
    assert told[-1] == ("EEGs", 2, 2)
    with pytest.raises(RunError, match="is not an empty folder"):
        ictal.simulate(folder)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, UsageError, "name the folder to create"),
        ({"patient": 1}, UsageError, "patient selects .* needs hours"),
        ({"hours": 1, "patients": 3}, UsageError, "patients cannot be combined with hours"),
        ({"out": "night.csv", "hours": 1}, UsageError, "must end in .edf"),
        ({"out": "sim", "eegs": 3}, UnknownNameError, "unknown setting 'eegs'; known are: patients"),
    ],
)
def test_what_cannot_be_simulated_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        ictal.simulate(**arguments)
