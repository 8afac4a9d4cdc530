"""What the server says about a ward, as in its OpenAPI document. Times are in seconds of the recording."""

from pydantic import BaseModel, Field

from ictal.live.bed import State
from ictal.web.schemas import Pattern, ShownPattern


class BedRows(BaseModel):
    """Scored windows; probabilities are [row][pattern], None where nothing was scored."""

    start_s: list[float]
    stop_s: list[float]
    probabilities: list[list[float | None]]


class BedEvent(BaseModel):
    """The last event of a bed."""

    pattern: Pattern
    start_s: float
    stop_s: float | None = Field(description="None while it goes on.")


class ShownAlarm(BaseModel):
    """The latest alarm of a rule about a pattern, for all that nobody has acknowledged."""

    number: int
    rule: str
    pattern: Pattern | None
    since_s: float = Field(description="Start of what it is about.")
    text: str = Field(description="As it was when the alarm was raised.")
    raised_s: float | None = Field(description="None if it is about data that do not arrive.")
    sounds: bool = Field(description="Whether the page sounds until it is acknowledged.")
    times: int = Field(description="How many alarms there are.")
    first_s: float = Field(description="When the first of them was raised.")
    goes_on: bool = Field(description="Whether what it is about is still there.")
    ended_s: float | None = Field(description="When it ended, if it is an event that did.")


class ShownBed(BaseModel):
    """A bed."""

    id: str = Field(description="Of the bed, and of its recording in other requests.")
    name: str
    patient: str | None = Field(description="None unless the server was started with --show-patient.")
    state: State
    problem: str = Field(description="Why nothing is scored at present.")
    age_s: float = Field(description="Since data arrived, when this was sent.")
    start: str | None
    recorded_s: float
    burden_5min: dict[str, float | None] = Field(description="By pattern; empty before the first row.")
    burden_60min: dict[str, float | None]
    scored_5min_s: float = Field(description="How much of the last 5 minutes was scored.")
    scored_60min_s: float
    status: bool = Field(description="Whether the criterion of electrographic status epilepticus is met.")
    nobody_can_tell: str = Field(description="For how long nothing could be scored, and why.")
    usable: float | None = Field(description="Mean share of usable EEG in the last five minutes.")
    event: BedEvent | None
    alarms: list[ShownAlarm]
    acknowledged: list[str] = Field(description="What goes on after its alarm was acknowledged, in words.")
    rows: BedRows = Field(description="Of the last hour, as far as they were not sent before.")


class WardState(BaseModel):
    """The beds that have changed; in the first message, all."""

    beds: list[ShownBed]
    problems: list[str] = Field(description="Of webhooks and the log.")
    patterns: list[ShownPattern]
