"""The night of the tutorial: what the report says of it, compared with the timeline of the simulator."""

import math

import pytest

from ictal.scoring.pipeline import score
from ictal.simulator import simulate_recording
from ictal.simulator.timeline import Episode, timeline
from ictal.terminology.findings import EventFinding, RecordingFinding
from ictal.terminology.words import event_sentence, recording_paragraph

pytestmark = pytest.mark.slow
SEED, PATIENT, HOURS = 1, 0, 2


@pytest.fixture(scope="module")
def night() -> RecordingFinding:
    return score(simulate_recording(SEED, PATIENT, HOURS), "default").findings()


def rate_hz(episode: Episode, at_s: float) -> float:
    """Return the true rate at a time: it changes exponentially from the onset of an episode to its end."""
    share = min(max((at_s - episode.onset_s) / episode.duration_s, 0), 1)
    return episode.pattern.frequency_hz * math.exp(episode.pattern.trend * share)


def overlap_s(event: EventFinding, episode: Episode) -> float:
    return min(event.stop_s, episode.end_s) - max(event.start_s, episode.onset_s)


def pairs(night: RecordingFinding) -> list[tuple[EventFinding, Episode]]:
    """Return the events of which 70 % are in an episode with the same pattern that is there all the time."""
    found = []
    for event in night.events:
        episode = max(timeline(SEED, PATIENT), key=lambda one: overlap_s(event, one))
        inside = overlap_s(event, episode) >= 0.7 * event.duration_s
        if inside and event.pattern in episode.kind and episode.pattern.prevalence > 0.9:
            found.append((event, episode))
    return found


def test_frequencies_are_those_of_the_timeline(night):
    compared = [pair for pair in pairs(night) if pair[0].frequency]
    assert len(compared) >= 8
    right = 0
    for event, episode in compared:
        assert event.frequency is not None
        rates = [rate_hz(episode, at_s) for at_s in (event.start_s, event.stop_s)]
        right += 0.85 * min(rates) <= event.frequency.typical <= 1.15 * max(rates)
    assert right >= 0.75 * len(compared)


def test_sides_are_those_of_the_timeline(night):
    focal = [(event, episode) for event, episode in pairs(night) if episode.pattern.contralateral < 0.4]
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
