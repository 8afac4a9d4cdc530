"""Requests and responses of the server, as in its OpenAPI document. Times are in seconds from the start."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from ictal.web.library import State

MOST_COLUMNS = 4000
Pattern = Literal["seizure", "lpd", "gpd", "lrda", "grda", "other"]
Method = Literal["occlusion", "gradients", "gradcam"]
Question = Literal["why", "similar"]


class SignalQuery(BaseModel):
    """Query parameters of a page of traces; a filter without a frequency is not applied."""

    start_s: float = Field(ge=0, le=1e8, allow_inf_nan=False, description="Seconds from the start.")
    stop_s: float = Field(ge=0, le=1e8, allow_inf_nan=False, description="Seconds from the start.")
    width: int = Field(1500, ge=1, le=MOST_COLUMNS, description="Pixels.")
    montage: str | None = None
    low_hz: float | None = Field(None, gt=0, le=1e4, allow_inf_nan=False, description="Low cut.")
    high_hz: float | None = Field(None, gt=0, le=1e4, allow_inf_nan=False, description="High cut.")
    notch_hz: float | None = Field(None, gt=0, le=1e4, allow_inf_nan=False, description="Notch filter.")


class ViewerInfo(BaseModel):
    """Version and settings of the viewer."""

    version: str
    upload: bool
    blind: bool
    ward: bool = Field(description="Whether recordings of beds are shown, at /ward.")
    not_a_device: str


class RecordingSummary(BaseModel):
    """A recording in the list."""

    id: str
    name: str
    duration_s: float
    start: str | None
    state: State
    done: float
    total: float
    reason: str


class TimeSpan(BaseModel):
    """Start and end of a time span."""

    start_s: float
    stop_s: float


class Reason(TimeSpan):
    """Why there is no prediction in a time span."""

    text: str


class FileAnnotation(BaseModel):
    """An annotation of the file."""

    start_s: float
    duration_s: float
    text: str


class ShownLocation(BaseModel):
    """Where a pattern is, in the terms of the ACNS terminology of 2021."""

    main_term: str
    side: str | None
    regions: list[str]


class ShownEvent(TimeSpan):
    """A detected event; `peak` is its largest smoothed probability. What could not be measured is None."""

    number: int
    pattern: str
    peak: float
    frequency_hz: float | None = Field(description="Typical frequency.")
    location: ShownLocation | None


class Discharges(BaseModel):
    """Times of the discharges or waves of an event."""

    number: int = Field(description="Of the event.")
    pattern: str
    times_s: list[float]


class ShownPattern(BaseModel):
    """Title and colour of a pattern."""

    key: str
    title: str
    colour: str


class ShownModel(BaseModel):
    """The model that scores a recording."""

    name: str
    arm: str
    warnings: list[str]
    seen_s: float | None = Field(None, description="Duration of EEG that it sees around the middle of a window.")


class Windows(BaseModel):
    """Scored windows at intervals of `step_s`."""

    start_s: float = Field(description="Start of the centre of the first window.")
    n: int


class RecordingDetails(BaseModel):
    """Everything known about a recording except its samples and scores."""

    id: str
    name: str
    duration_s: float = Field(description="Gaps included.")
    start: str | None
    state: State
    done: float = Field(description="How far it is scored.")
    rate_hz: float
    montages: list[str]
    amplitude_uv: float | None = Field(
        description="Typical peak-to-peak range within a second, in the first montage."
    )
    heart_uv: float | None = Field(description="The same for the EKG.")
    segments: list[TimeSpan]
    gaps: list[TimeSpan]
    annotations: list[FileAnnotation]
    events: list[ShownEvent]
    report: str | None = Field(description="What a report says, written by software; None until it is scored.")
    patterns: list[ShownPattern]
    model: ShownModel | None
    step_s: float
    centre_s: float = Field(description="Duration of the centre of a window, to which scores and votes refer.")
    windows: list[Windows]
    notes: list[str]
    patient: str | None = Field(description="None unless the server was started with --show-patient.")
    withheld: bool = Field(description="Whether events and report are withheld from a blinded rater.")


Column = list[float | None]


class AeegMargins(BaseModel):
    """Lower and upper margin of the amplitude-integrated EEG, µV."""

    low: Column
    high: Column


class Spectrum(BaseModel):
    """Power density in dB relative to 1 µV²/Hz, [frequency][column]."""

    frequencies_hz: list[float]
    left: list[Column]
    right: list[Column]


class Overview(BaseModel):
    """Columns of time, between consecutive `edges`; None where nothing is known."""

    edges: list[float]
    probabilities: dict[str, Column]
    spread: Column
    usable: Column
    left_right: Column
    aeeg: dict[str, AeegMargins]
    spectrum: Spectrum
    reasons: list[Reason]


class ExpectedVotes(BaseModel):
    """Expected votes of a panel of ten."""

    text: str
    votes: dict[str, int]


class Neighbour(BaseModel):
    """A window with features similar to another's; `votes` are shares."""

    source: Literal["simulated", "voted"]
    id: str
    distance: float
    votes: dict[str, float]


class SimilarWindows(BaseModel):
    """Windows similar to another, nearest first."""

    windows: list[Neighbour]
    note: str = Field(description="How to read the list, or why it is empty.")


class ShownElectrode(BaseModel):
    """An electrode on a map of the scalp, whose rim has the radius 1."""

    name: str
    x: float = Field(description="To the right ear.")
    y: float = Field(description="To the nose.")
    involvement: float | None = Field(description="Amplitude relative to the largest; None if it is unknown.")


class WindowEvent(BaseModel):
    """An event in a window."""

    number: int
    pattern: str
    sentence: str
    electrodes: list[ShownElectrode] = Field(description="Empty if the location could not be measured.")


class Window(BaseModel):
    """A scored window."""

    number: int
    centre: tuple[float, float] = Field(description="Start and end of the 10 s to which the scores refer.")
    probabilities: dict[str, float | None] | None
    spread: float | None
    expected: ExpectedVotes | None
    usable: float
    reasons: list[str]
    events: list[WindowEvent] = Field(description="Always empty for a blinded rater: events reach other windows.")
    withheld: bool = Field(description="Whether the rater must vote before the model's prediction is shown.")


class Chains(BaseModel):
    """One image per chain, [frequency][time]; None where nothing is known."""

    LL: list[Column]
    LP: list[Column]
    RP: list[Column]
    RR: list[Column]


class MelImages(BaseModel):
    """The spectrogram that the network sees, and the Grad-CAM heat map on it (0 to 1)."""

    frequencies_hz: list[float]
    times_s: list[float]
    db: Chains
    gradcam: Chains


class QuestionProgress(BaseModel):
    """How far the answer to a question is; without a task, it has not begun or is complete."""

    task: str
    done: float
    total: float


class WindowExplanation(BaseModel):
    """Evidence in a window: positive values are for a pattern, negative ones against it."""

    pattern: str
    method: str
    derivations: list[str]
    times_s: list[float]
    grid: list[Column]
    mel: MelImages | None
    note: str


def _one_line(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("a name must be one line of printable characters")
    return name.strip()


class Rater(BaseModel):
    """A rater."""

    name: Annotated[str, AfterValidator(_one_line)] = Field(min_length=1, max_length=60)


class Ballot(BaseModel):
    """A vote to store."""

    rater: str = Field(min_length=1, max_length=60)
    time_s: float = Field(ge=0, le=1e8, allow_inf_nan=False)
    pattern: Pattern


class GivenVote(BaseModel):
    """A stored vote; `time_s` is the middle of the window."""

    time_s: float
    pattern: str
    rater: str
    at: str


class AgreementReport(BaseModel):
    """Agreement of raters with each other and with the model."""

    raters: dict[str, int]
    n_windows: int
    pairs: list[dict[str, Any]]
    panel: dict[str, Any] | None
    note: str


class Uploaded(BaseModel):
    """Id of an uploaded recording."""

    id: str
    known: bool = Field(description="Whether a file with the same content was there already, under any name.")


class Problem(BaseModel):
    """Why the request failed."""

    detail: str | list[Any]
