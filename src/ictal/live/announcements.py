"""What was announced of the events of a recording that goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LiveEvent:
    """An event as it was announced, in true seconds from the start of the recording.

    Attributes
    ----------
    pattern, start_s
        They never change.
    stop_s
        None while it goes on; once stated, it never changes.
    announced_at_s
        End of the last row when its begin was announced.
    """

    pattern: str
    start_s: float
    stop_s: float | None
    announced_at_s: float
