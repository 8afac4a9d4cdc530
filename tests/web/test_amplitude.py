"""How large traces are, by which the viewer chooses the sensitivity at which a recording opens."""

import numpy as np
import pytest

from ictal.core.montage import CHANNELS
from ictal.core.recording import Recording
from ictal.web.montages import montages_of
from ictal.web.page_amplitude import amplitudes_uv
from tests.scoring.helpers import eeg, recording_of


def typical(samples: np.ndarray, channels: tuple[str, ...] = CHANNELS) -> tuple[float | None, float | None]:
    recording = Recording.from_array(samples.astype(np.float32), channels, 200)
    return amplitudes_uv(recording, next(iter(montages_of(recording).values())))


def waves(seconds: float, peak_to_peak_uv: float) -> np.ndarray:
    """Return 5 Hz on every other electrode of the double banana's chains, and an EKG of 1 Hz."""
    at = np.arange(round(seconds * 200)) / 200
    large = {"F7", "T5", "F3", "P3", "F4", "P4", "F8", "T6", "Cz"}
    made = np.outer([name in large for name in CHANNELS], peak_to_peak_uv / 2 * np.sin(2 * np.pi * 5 * at))
    made[CHANNELS.index("EKG")] = 600 * (at % 1 < 0.05)
    return made


@pytest.mark.parametrize("seconds", [0.5, 10, 75])
@pytest.mark.parametrize("uv", [30, 1400])
def test_a_wave_has_its_range(seconds, uv):
    assert typical(waves(seconds, uv))[0] == pytest.approx(uv, rel=0.05)


def test_an_artefact_does_not_count_and_ten_times_the_amplitude_is_ten_times_as_much():
    calm = eeg(120)
    loud = calm.copy()
    loud[:, 2000:2100] += 5e4
    assert typical(loud)[0] == pytest.approx(typical(calm)[0], rel=0.1)
    assert typical(10 * calm)[0] == pytest.approx(10 * typical(calm)[0], rel=1e-3)


def test_what_is_missing_or_flat_says_nothing():
    assert typical(np.zeros((20, 4000))) == (None, None)
    assert typical(np.full((20, 4000), np.nan)) == (None, None)
    half = waves(60, 100)
    half[:, :6000] = np.nan
    assert typical(half)[0] == pytest.approx(100, rel=0.05)


def test_the_heart_has_a_size_of_its_own():
    assert typical(waves(60, 30))[1] == pytest.approx(600, rel=0.2)
    assert typical(waves(60, 30)[:19], CHANNELS[:19])[1] is None


def test_the_page_is_told(client, base, night):
    told = client.get(base).json()
    assert told["amplitude_uv"] == pytest.approx(typical(recording_of(eeg(420)).read())[0], rel=0.01)
    assert told["heart_uv"] > 0
