"""What the server answers, as the OpenAPI document tells it. Times are in seconds from a recording's start."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from ictal.web.library import State

Pattern = Literal["seizure", "lpd", "gpd", "lrda", "grda", "other"]
Method = Literal["occlusion", "gradients", "gradcam"]


class About(BaseModel):
    """The program, and what it may do here."""

    version: str
    upload: bool
    blind: bool
    not_a_device: str


class Listed(BaseModel):
    """A recording in the list."""

    id: str
    name: str
    duration_s: float
    start: str | None
    state: State
    done: float
    total: float
    reason: str


class Span(BaseModel):
    """From when to when."""

    start_s: float
    stop_s: float


class Reason(Span):
    """Why there is no prediction for a time."""

    text: str


class Note(BaseModel):
    """An annotation of the file."""

    start_s: float
    duration_s: float
    text: str


class ShownEvent(Span):
    """A pattern from one time to another; `peak` is its largest smoothed probability."""

    number: int
    pattern: str
    peak: float


class ShownPattern(BaseModel):
    """How a pattern is written and coloured."""

    key: str
    title: str
    colour: str


class ShownModel(BaseModel):
    """What scores a recording."""

    name: str
    arm: str
    warnings: list[str]
    seen_s: float | None = Field(None, description="How much EEG it sees around the middle of a window.")


class Windows(BaseModel):
    """Scored windows that follow each other every `step_s`."""

    start_s: float = Field(description="When the stretch begins that the first one's scores concern.")
    n: int


class Details(BaseModel):
    """All that is known of a recording but its samples and scores."""

    id: str
    name: str
    duration_s: float = Field(description="Gaps included.")
    start: str | None
    state: State
    rate_hz: float
    montages: list[str]
    amplitude_uv: float | None = Field(
        description="From peak to peak within a second, typically, of the first montage."
    )
    heart_uv: float | None = Field(description="The same of the EKG.")
    segments: list[Span]
    gaps: list[Span]
    annotations: list[Note]
    events: list[ShownEvent]
    patterns: list[ShownPattern]
    model: ShownModel | None
    step_s: float
    centre_s: float = Field(description="How long the stretch of a window lasts that its scores and votes concern.")
    windows: list[Windows]
    notes: list[str]
    patient: str | None = Field(description="None unless the server was started with --show-patient.")
    withheld: bool = Field(description="Whether events are withheld from a rater who is blind to them.")


Column = list[float | None]


class Borders(BaseModel):
    """Both borders of the amplitude-integrated EEG, µV."""

    low: Column
    high: Column


class Spectrum(BaseModel):
    """Power density in dB of 1 µV²/Hz, [frequency][column]."""

    frequencies_hz: list[float]
    left: list[Column]
    right: list[Column]


class Overview(BaseModel):
    """Columns of time, whose `edges` are one more; None where nothing is known."""

    edges: list[float]
    probabilities: dict[str, Column]
    spread: Column
    usable: Column
    left_right: Column
    aeeg: dict[str, Borders]
    spectrum: Spectrum
    reasons: list[Reason]


class Expected(BaseModel):
    """How a panel of ten would split."""

    text: str
    votes: dict[str, int]


class Neighbour(BaseModel):
    """A window whose features are like those of another; `votes` are shares."""

    source: Literal["simulated", "voted"]
    id: str
    distance: float
    votes: dict[str, float]


class Similar(BaseModel):
    """Windows like another, the nearest first."""

    windows: list[Neighbour]
    note: str = Field(description="How to read the list, or why it is empty.")


class Window(BaseModel):
    """A scored window."""

    number: int
    centre: tuple[float, float] = Field(description="From when to when the 10 s last that the scores concern.")
    probabilities: dict[str, float | None] | None
    spread: float | None
    expected: Expected | None
    usable: float
    reasons: list[str]
    withheld: bool = Field(description="Whether the rater has to vote before the model's opinion is told.")


class Chains(BaseModel):
    """One image per chain, [frequency][time]; None in a dead cell."""

    LL: list[Column]
    LP: list[Column]
    RP: list[Column]
    RR: list[Column]


class Mel(BaseModel):
    """The spectrogram that the network saw, and where Grad-CAM lights up in it (0 to 1)."""

    frequencies_hz: list[float]
    times_s: list[float]
    db: Chains
    gradcam: Chains


class Why(BaseModel):
    """What in a window speaks for a pattern: positive for it, negative against it."""

    pattern: str
    method: str
    derivations: list[str]
    times_s: list[float]
    grid: list[Column]
    mel: Mel | None
    note: str


def _one_line(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("a name is one line of letters, figures and signs")
    return name.strip()


class Rater(BaseModel):
    """Somebody who votes."""

    name: Annotated[str, AfterValidator(_one_line)] = Field(min_length=1, max_length=60)


class Ballot(BaseModel):
    """A vote to be given."""

    rater: str = Field(min_length=1, max_length=60)
    time_s: float = Field(ge=0, le=1e8, allow_inf_nan=False)
    pattern: Pattern


class Vote(BaseModel):
    """A vote that was given; `time_s` is the middle of the window's centre."""

    time_s: float
    pattern: str
    rater: str
    at: str


class Agreement(BaseModel):
    """How raters agree with each other and with the model."""

    raters: dict[str, int]
    n_windows: int
    pairs: list[dict[str, Any]]
    panel: dict[str, Any] | None
    note: str


class Uploaded(BaseModel):
    """The id under which a file that was sent can be asked for."""

    id: str
    known: bool = Field(description="Whether a file of the same content was here already, perhaps by another name.")


class Problem(BaseModel):
    """Why there is no answer, in plain words."""

    detail: str | list[Any]
