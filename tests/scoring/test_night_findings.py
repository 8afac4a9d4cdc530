"""The night of the tutorial: what the report says of it, compared with the timeline of the simulator."""

from pathlib import Path

import pytest

from ictal.scoring.pipeline import score
from ictal.simulator import simulate_recording
from ictal.terminology.findings import RecordingFinding
from ictal.terminology.words import event_sentence, recording_paragraph

pytestmark = pytest.mark.slow
SEED, HOURS = 1, 2


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))


def findings(patient: int) -> RecordingFinding:
    return score(simulate_recording(SEED, patient, HOURS), "default").findings()


@pytest.fixture(scope="module")
def night() -> RecordingFinding:
    return findings(0)


def test_frequencies_are_those_of_the_timeline(night):
    from nights import is_right, paired

    # Two nights, since the model's events differ a little between processors.
    pairs = [*paired(night, SEED, 0), *paired(findings(1), SEED, 1)]
    right = [is_right(event, episode) for event, episode in pairs if event.frequency]
    assert len(right) >= 30
    assert sum(right) >= 0.7 * len(right)


def test_sides_are_those_of_the_timeline(night):
    from nights import paired

    focal = [(event, episode) for event, episode in paired(night, SEED, 0) if episode.pattern.contralateral < 0.4]
    assert len(focal) >= 2
    for event, episode in focal:
        assert event.location is not None
        assert event.location.main_term == "lateralized"
        assert event.location.side == ("left" if episode.pattern.side < 0 else "right")


def test_the_paragraph_names_what_was_found_and_nothing_else(night):
    text = recording_paragraph(night)
    names = {"lpd": "LPDs", "gpd": "GPDs", "lrda": "LRDA", "seizure": "electrographic seizures"}
    before, _, after = text.partition("The recording showed no ")
    for finding in night.patterns:
        assert names[finding.pattern] in before
        assert finding.n_events == sum(event.pattern == finding.pattern for event in night.events)
        assert finding.total_s == pytest.approx(
            sum(event.duration_s for event in night.events if event.pattern == finding.pattern)
        )
    assert all(names.get(pattern, pattern.upper()) in after for pattern in night.absent)
    assert "None" not in text
    assert "nan " not in text


def test_every_event_has_a_sentence_with_its_frequency(night):
    for event in night.events:
        text = event_sentence(event)
        if event.frequency:
            assert f"{event.frequency.typical:.1f} Hz" in text
        else:
            assert "could not be measured" in text
