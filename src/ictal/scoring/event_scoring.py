"""Compare events with those of a reference, by `timescoring`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from timescoring.annotations import Annotation
from timescoring.scoring import EventScoring, SampleScoring

from ictal.core.labels import PATTERN_TITLES
from ictal.errors import TableError, UnknownNameError, listed, raise_problems
from ictal.scoring.burden import Cover, cover_of
from ictal.scoring.event_agreement import RATE_HZ, EventAgreement, EventEvaluation, FileEvaluation, MatchSettings
from ictal.scoring.events import EVENT_PATTERNS, ROUNDING_S, EventSettings, Span, scored_rows
from ictal.scoring.reference_events import (
    LONE,
    TOLERANCE_S,
    TOLERANCE_SHARE,
    Reference,
    beyond,
    by_key,
    files_in,
    names_of,
    pick,
    read_reference,
    read_references,
    recording_key,
)
from ictal.scoring.scores import Scores


def evaluate_events(
    hypothesis: Iterable[Span],
    reference: Reference,
    duration_s: float | None = None,
    pattern: str = "seizure",
    settings: MatchSettings | None = None,
    scored: Cover | None = None,
) -> FileEvaluation:
    """Compare the events of one pattern in one recording with a reference, by `timescoring`.

    Parameters
    ----------
    hypothesis
        Events of any patterns.
    duration_s
        Of the recording, gaps included; by default that of the reference.
    scored
        The time for which there are predictions, if known.

    Raises
    ------
    TableError
        If no duration is known, two durations disagree, or an event of either side starts or ends after the
        recording.
    """
    spans = list(hypothesis)
    raise_problems(reference.name, _problems(spans, duration_s, reference))
    duration_s = _duration(duration_s, reference)
    truth = _annotation(reference.events, pattern, duration_s)
    found = _annotation(spans, pattern, duration_s)
    by_event = EventScoring(truth, found, _parameters(settings or MatchSettings()))
    by_sample = SampleScoring(truth, found, RATE_HZ)
    seconds = [float(count) / RATE_HZ for count in (by_sample.refTrue, by_sample.tp, by_sample.fp)]
    return FileEvaluation(
        name=reference.name,
        duration_s=duration_s,
        events=EventAgreement.of(by_event.refTrue, by_event.tp, by_event.fp, duration_s),
        samples=EventAgreement.of(seconds[0], seconds[1], seconds[2], duration_s),
        unscored_reference_s=None if scored is None else _outside(scored, truth.events),
        n_given=reference.n_given,
        n_merged=reference.n_merged,
        n_ignored=reference.n_ignored,
        ignored_types=reference.ignored_types,
        subject=reference.subject,
    )


def _outside(scored: Cover, spans: Iterable[tuple[float, float]]) -> float:
    """Return how many seconds of disjoint spans are not covered."""
    return sum(stop - start - float(scored.before(stop) - scored.before(start)) for start, stop in spans)


def pool(
    files: Sequence[FileEvaluation],
    pattern: str = "seizure",
    settings: MatchSettings | None = None,
    without_scores: Sequence[str] = (),
    without_reference: Sequence[str] = (),
) -> EventEvaluation:
    """Evaluate recordings together: counts are summed, so a long recording has more weight than a short one."""
    duration_s = sum(file.duration_s for file in files)
    return EventEvaluation(
        pattern=pattern,
        settings=settings or MatchSettings(),
        files=tuple(files),
        events=EventAgreement.together([file.events for file in files], duration_s),
        samples=EventAgreement.together([file.samples for file in files], duration_s),
        without_scores=tuple(without_scores),
        without_reference=tuple(without_reference),
    )


def evaluate_files(
    scores_path: str | Path,
    reference_path: str | Path,
    pattern: str = "seizure",
    settings: MatchSettings | None = None,
    events: EventSettings | None = None,
) -> EventEvaluation:
    """Compare the events of scored recordings with a reference.

    If the reference is a BIDS data set and the scores are a folder, a recording that was not scored counts as one
    without events, as in SzCORE: its reference events are missed. Of any other reference, it is left out.

    Parameters
    ----------
    scores_path
        Scores (Parquet), events (BIDS events.tsv), or a folder of such files, such as a BIDS data set. Scores take
        precedence over events of the same recording.
    reference_path
        See `read_reference`.
    events
        How events are found in scores.

    Raises
    ------
    TableError
        With all problems: of a file, of the reference, of a recording that the reference does not name (of a folder:
        if it names none of them), and those of `evaluate_events`.
    UnknownNameError
        If the pattern makes no events.
    """
    if pattern not in EVENT_PATTERNS:
        raise UnknownNameError("pattern", pattern, EVENT_PATTERNS)
    scored = _read_scored(Path(scores_path), pattern, events)
    references = read_references(reference_path)
    if LONE in references and len(scored) > 1:
        raise TableError(f"{reference_path}: is for one recording, but {scores_path} has {len(scored)}")
    without = [key for key in scored if not pick(references, key)]
    if len(without) == len(scored):
        raise TableError(f"{reference_path}: no reference for {listed(without)}; {names_of(references)}")
    lacking = [key for key in references if key not in {LONE, *scored}] if Path(scores_path).is_dir() else []
    missed = {key: _Scored(key, (), None) for key in lacking if references[key].subject is not None}
    pairs = {key: (one, found) for key, one in (scored | missed).items() if (found := pick(references, key))}
    problems = [
        f"{key}: {problem}"
        for key, (one, ref) in pairs.items()
        for problem in _problems(one.spans, one.duration_s, ref)
    ]
    raise_problems(str(reference_path), problems)
    files = [
        replace(
            evaluate_events(one.spans, replace(reference, name=key), one.duration_s, pattern, settings, one.scored),
            n_found_ignored=one.n_ignored,
        )
        for key, (one, reference) in pairs.items()
    ]
    return pool(files, pattern, settings, lacking, without)


@dataclass(frozen=True)
class _Scored:
    """One side of the comparison: the events of a recording, and what is known about it."""

    name: str
    spans: Sequence[Span]
    duration_s: float | None
    scored: Cover | None = None
    n_ignored: int = 0


def _read_scored(path: Path, pattern: str, settings: EventSettings | None) -> dict[str, _Scored]:
    """Read one file, or all files of a folder, by the names of their recordings without folder and suffix."""
    if not path.is_dir():
        return by_key(path, [_read_one(path, pattern, settings)])
    scored = by_key(path, [_read_one(file, pattern, settings) for file in files_in(path, "*.parquet")])
    files = [file for file in files_in(path, "*_events.tsv") if recording_key(file.name) not in scored]
    scored |= by_key(path, [_read_one(file, pattern, settings) for file in files])
    if not scored:
        raise TableError(f"{path}: contains neither scores (*.parquet) nor events (*_events.tsv)")
    return scored


def _read_one(path: Path, pattern: str, settings: EventSettings | None) -> _Scored:
    if path.suffix == ".parquet":
        scores = Scores.read(path)
        if pattern not in scores.event_patterns:
            raise TableError(f"{path}: the model that made these scores does not know {PATTERN_TITLES[pattern]}")
        rows = scored_rows(scores.frame)
        cover = Cover.of(rows["start_s"], rows["stop_s"])
        return _Scored(scores.recording.name, scores.events(settings), scores.recording.span_s, cover)
    events = read_reference(path)
    return _Scored(events.name, events.events, events.duration_s, n_ignored=events.n_ignored)


def _duration(given_s: float | None, reference: Reference) -> float:
    """Return the duration of a recording, its own or else that of its reference; 0 if neither is known."""
    return (reference.duration_s or 0.0) if given_s is None else given_s


def _problems(hypothesis: Iterable[Span], given_s: float | None, reference: Reference) -> list[str]:
    """List reasons why a recording and its reference cannot belong together."""
    duration_s, told_s = _duration(given_s, reference), reference.duration_s
    if given_s is None and told_s is None:
        return ["neither the reference nor the scores give the duration of the recording"]
    if round(duration_s * RATE_HZ) < 1:
        return [f"the recording lasts {duration_s:g} s; allowed are {1 / RATE_HZ:g} s or more"]
    if told_s is not None and abs(told_s - duration_s) > max(TOLERANCE_S, TOLERANCE_SHARE * duration_s):
        return [f"the recording lasts {duration_s:g} s, but the reference says {told_s:g} s"]
    return beyond(reference.events, duration_s) + beyond(hypothesis, duration_s, "found: ")


def _annotation(spans: Iterable[Span], pattern: str, duration_s: float) -> Annotation:
    """Return the spans of one pattern within a recording as `timescoring` takes them."""
    cover = cover_of(spans, pattern)
    times = np.stack([cover.starts, cover.stops], axis=1).clip(0, duration_s)
    return Annotation([(a, b) for a, b in times.tolist() if b > a], RATE_HZ, round(duration_s * RATE_HZ))


def _parameters(settings: MatchSettings) -> EventScoring.Parameters:
    """Return the settings under the names of `timescoring`.

    It compares times as floats: without a tolerance, an event from 0.2 to 600.2 s would count as three of at most
    300 s, and events that are 90 s apart, from 38.2 to 128.2 s, as one.
    """
    return EventScoring.Parameters(
        toleranceStart=settings.before_s,
        toleranceEnd=settings.after_s,
        minOverlap=settings.min_overlap,
        maxEventDuration=settings.split_s + ROUNDING_S,
        minDurationBetweenEvents=settings.merge_s - ROUNDING_S,
    )
