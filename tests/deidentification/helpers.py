"""Small files for the tests of de-identification."""

from pathlib import Path

from ictal.deidentification.key_file import create_key
from tests.io.test_edf_file import Made, ramp, tals, write

PATIENT = "MRN-00123456 M 01-JAN-1980 Smith^John"


def named(folder: Path, name: str = "Smith_John.edf", patient: str = PATIENT, **fields: str) -> Path:
    """Write a file of John Smith, with a word about him, about a doctor, and about his eyes."""
    folder.mkdir(parents=True, exist_ok=True)
    times = [
        tals("+0.25"),
        tals("+1.25", b"+1.5\x14John moved\x14", b"+1.7\x1510\x14Eyes open\x14"),
        tals("+7.25", b"+7.5\x14Dr. House called\x14eyes closed\x14"),
        tals("+8.25"),
    ]
    signals = [Made("EEG Fp1-REF", ramp(4)), Made("SaO2", ramp(4, 10), "%")]
    return write(folder / name, signals, times, patient=patient, **{"plus": "EDF+D"} | fields)


def new_key(folder: Path) -> Path:
    """Create a key file."""
    folder.mkdir(parents=True, exist_ok=True)
    create_key(folder / "key.csv")
    return folder / "key.csv"
