"""Events as annotations of MNE-Python."""

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Literal, get_args

from ictal.errors import UnknownNameError, UsageError
from ictal.scoring.event_files import annotation_text
from ictal.scoring.scored_recording import RecordingInfo
from ictal.terminology.findings import EventFinding

if TYPE_CHECKING:
    import mne

Gaps = Literal["kept", "closed"]
"""Whether the time of an `mne.io.Raw` runs on during a gap: kept if it does, closed if samples simply follow."""


def annotations_of(
    events: Sequence[EventFinding], recording: RecordingInfo, gaps: Gaps | None = None
) -> "mne.Annotations":
    """Return events as annotations; see `ictal.scoring.scores.Scores.to_annotations`.

    Raises
    ------
    UsageError, UnknownNameError
        If the recording has gaps, and `gaps` is not one of `Gaps`.
    """
    import mne  # takes a second

    if gaps is not None and gaps not in get_args(Gaps):
        raise UnknownNameError("value of gaps", gaps, get_args(Gaps))
    if recording.gaps and gaps is None:
        raise UsageError(
            f"{recording.name}: has gaps ({len(recording.gaps)}); say whether the Raw counts them as time: "
            "gaps='closed' for EDF+D, BrainVision, Nihon Kohden and Persyst, gaps='kept' for FIF"
        )
    start = recording.start
    return mne.Annotations(
        [event.start_s - (_before(event, recording) if gaps == "closed" else 0.0) for event in events],
        [event.duration_s for event in events],
        [annotation_text(event) for event in events],
        start and (start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)),
    )


def _before(event: EventFinding, recording: RecordingInfo) -> float:
    """Return how long all gaps before an event last; no event crosses a gap."""
    middle_s = (event.start_s + event.stop_s) / 2
    return sum(duration_s for start_s, duration_s in recording.gaps if start_s < middle_s)
