"""The HTTP server: each request becomes one call of the viewer."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, UploadFile
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from ictal import __version__
from ictal.errors import IctalError, UnknownNameError
from ictal.models.hub import NOT_A_DEVICE
from ictal.web import schemas
from ictal.web.body_limit import BodyLimit
from ictal.web.ending import Ending
from ictal.web.event_stream import MEDIA_TYPE, events
from ictal.web.library import NotYetError
from ictal.web.questions import Questions
from ictal.web.security import Guard
from ictal.web.settings import MEGABYTE
from ictal.web.traces import Filters
from ictal.web.viewer import Viewer
from ictal.web.ward_page import WardPage
from ictal.web.ward_schemas import WardState
from ictal.web.worker_process import JobStoppedError

STATIC = Path(__file__).parent / "static"
UPLOAD = "/api/upload"
BINARY = "application/octet-stream"

Time = Annotated[float, Query(ge=0, le=1e8, allow_inf_nan=False, description="Seconds from the start.")]
Width = Annotated[int, Query(ge=1, le=schemas.MOST_COLUMNS, description="Pixels.")]
Id = Annotated[str, PathParameter(alias="id", max_length=40, description="Id from the list of recordings.")]
Rater = Annotated[str | None, Query(max_length=60, description="Name of the rater; blinded raters see less.")]
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Problem, "description": what}
    for status, what in (
        (400, "The request is invalid."),
        (401, "The token is missing or wrong."),
        (403, "The request comes from another site, or is not allowed here."),
        (404, "Not found."),
        (409, "Not known yet, or withheld until the rater votes."),
        (413, "The request is too large."),
    )
}


def create_app(viewer: Viewer, token: str, host: str = "127.0.0.1", ward: WardPage | None = None) -> FastAPI:
    """Return the application, with the page of a ward if one is watched, protected by the token; see `Guard`."""
    app = FastAPI(
        title="ictal view", version=__version__, description=NOT_A_DEVICE, openapi_url="/api/openapi.json",
        docs_url=None, redoc_url=None, responses=PROBLEMS,
    )  # fmt: skip
    app.add_middleware(BodyLimit, larger={UPLOAD: viewer.settings.max_upload_mb * MEGABYTE})
    app.add_middleware(Guard, token=token, host=host)
    app.add_exception_handler(IctalError, _problem)
    app.add_exception_handler(JobStoppedError, _stopped)
    _add_page(app)
    _add_recordings(app, viewer)
    _add_windows(app, viewer)
    _add_questions(app, viewer)
    _add_votes(app, viewer)
    if viewer.settings.upload:
        _add_upload(app, viewer)
    if ward is not None:
        _add_ward(app, ward, viewer.ending)
    return app


async def _problem(_: Request, error: Exception) -> JSONResponse:
    """Return the message of an error; only unexpected errors are a 500."""
    status = 404 if isinstance(error, UnknownNameError) else 409 if isinstance(error, NotYetError) else 400
    return JSONResponse({"detail": str(error)}, status)


async def _stopped(_: Request, __: Exception) -> Response:
    """Return the response that nobody waits for any more."""
    return Response(status_code=204)


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _add_recordings(app: FastAPI, viewer: Viewer) -> None:
    @app.get("/api/about")
    def about() -> schemas.ViewerInfo:
        """Return the version and the settings of the viewer."""
        return schemas.ViewerInfo(**viewer.about())

    @app.get("/api/recordings")
    def recordings() -> list[schemas.RecordingSummary]:
        """List the recordings and the progress of scoring."""
        return [schemas.RecordingSummary(**summary) for summary in viewer.summaries()]

    @app.get("/api/recordings/stream", **_events_of(list[schemas.RecordingSummary]))
    def changes() -> StreamingResponse:
        """Return server-sent events: the data of each are the list of recordings, at first and when it changes."""
        return StreamingResponse(events(viewer.changes(), viewer.ending), media_type=MEDIA_TYPE)

    @app.get("/api/recordings/{id}")
    def recording(id_: Id, rater: Rater = None) -> schemas.RecordingDetails:
        """Return the details of a recording."""
        return schemas.RecordingDetails(**viewer.details(viewer.library[id_], rater))

    @app.get("/api/recordings/{id}/overview", responses={200: {"model": schemas.Overview}})
    def columns(id_: Id, start_s: Time, stop_s: Time, width: Width = 1200, rater: Rater = None) -> Response:
        """Return the scores of a time span as columns."""
        _check_span(start_s, stop_s)
        # Tens of thousands of numbers: they are not validated again.
        content = viewer.overview(viewer.library[id_], (start_s, stop_s), width, rater)
        return Response(content, media_type="application/json")

    @app.get(
        "/api/recordings/{id}/signal",
        response_class=Response,
        responses={200: {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    def signal(id_: Id, query: Annotated[schemas.SignalQuery, Query()]) -> Response:
        """Return traces as binary: the length of a JSON header (uint32), the header, then float32, little-endian."""
        _check_span(query.start_s, query.stop_s)
        filters = Filters(low_hz=query.low_hz, high_hz=query.high_hz, notch_hz=query.notch_hz)
        span_s = query.start_s, query.stop_s
        traces = viewer.traces(viewer.library[id_], query.montage, span_s, filters, query.width)
        return Response(traces.to_bytes(), media_type=BINARY)


def _add_windows(app: FastAPI, viewer: Viewer) -> None:
    @app.get("/api/recordings/{id}/window")
    def window(id_: Id, time_s: Time, rater: Rater = None) -> schemas.Window:
        """Return what is known about the window whose centre contains a time."""
        return schemas.Window(**viewer.window(viewer.library[id_], time_s, rater))

    @app.get("/api/recordings/{id}/discharges")
    def discharges(id_: Id, start_s: Time, stop_s: Time, rater: Rater = None) -> list[schemas.Discharges]:
        """List the times of discharges and waves in a time span, by event."""
        _check_span(start_s, stop_s)
        found = viewer.discharges(viewer.library[id_], (start_s, stop_s), rater)
        return [schemas.Discharges(**each) for each in found]


def _add_questions(app: FastAPI, viewer: Viewer) -> None:
    questions = Questions()

    @app.get("/api/recordings/{id}/similar")
    async def similar(request: Request, id_: Id, time_s: Time, rater: Rater = None) -> schemas.SimilarWindows:
        """List windows similar to the one at a time; the first answer of an own model takes seconds."""
        item = viewer.library[id_]
        windows, note = await questions.answer(
            request, f"{id_}/similar", lambda progress: viewer.similar(item, time_s, rater, progress)
        )
        return schemas.SimilarWindows(windows=[schemas.Neighbour(**each) for each in windows], note=note)

    @app.get("/api/recordings/{id}/why", responses={200: {"model": schemas.WindowExplanation}})
    async def why(
        request: Request,
        id_: Id,
        time_s: Time,
        pattern: schemas.Pattern,
        method: schemas.Method = "gradients",
        rater: Rater = None,
    ) -> JSONResponse:
        """Explain the prediction of a pattern; if the client closes the connection, the work ends."""
        item = viewer.library[id_]
        found = await questions.answer(
            request, f"{id_}/why", lambda progress: viewer.why(item, time_s, pattern, method, rater, progress)
        )
        return JSONResponse(found)

    @app.get("/api/recordings/{id}/progress")
    def progress(id_: Id, question: schemas.Question) -> schemas.QuestionProgress:
        """Return how far the answer to a question about a recording is."""
        return schemas.QuestionProgress(**questions.progress(f"{id_}/{question}"))


def _add_votes(app: FastAPI, viewer: Viewer) -> None:
    @app.get("/api/raters")
    def raters() -> list[schemas.Rater]:
        """List the raters."""
        return [schemas.Rater(name=name) for name in viewer.votes.raters()]

    @app.post("/api/raters", status_code=201)
    def add_rater(rater: schemas.Rater) -> schemas.Rater:
        """Add a rater."""
        viewer.votes.add_rater(rater.name)
        return schemas.Rater(name=viewer.votes.known(rater.name))

    @app.get("/api/recordings/{id}/votes")
    def votes(id_: Id, rater: Rater = None) -> list[schemas.GivenVote]:
        """List the votes on a recording, of one rater or all."""
        return [schemas.GivenVote(**asdict(vote)) for vote in viewer.votes.all(viewer.library[id_].content, rater)]

    @app.post("/api/recordings/{id}/votes")
    def vote(id_: Id, ballot: schemas.Ballot) -> schemas.GivenVote:
        """Store a vote on the window at a time; it replaces the rater's earlier vote."""
        given = viewer.vote(viewer.library[id_], ballot.rater, ballot.time_s, ballot.pattern)
        return schemas.GivenVote(**asdict(given))

    @app.delete("/api/recordings/{id}/votes", status_code=204)
    def take_back(id_: Id, rater: Annotated[str, Query(max_length=60)], time_s: Time) -> None:
        """Remove a vote."""
        viewer.take_back(viewer.library[id_], rater, time_s)

    @app.get("/api/agreement")
    def agreement() -> schemas.AgreementReport:
        """Return the agreement of raters with each other and with the model."""
        return schemas.AgreementReport(**viewer.agreement())

    @app.get(
        "/api/export",
        response_class=Response,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def export() -> Response:
        """Return the votes as a manifest for 'ictal ablate', one row per window."""
        text = viewer.manifest().to_csv(index=False, lineterminator="\n")
        return Response(
            text, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="votes.csv"'}
        )


def _add_upload(app: FastAPI, viewer: Viewer) -> None:
    @app.post(UPLOAD, status_code=201)
    def upload(file: UploadFile) -> schemas.Uploaded:
        """Upload a recording; it is parsed in a separate process, scored and shown."""
        item, known = viewer.receive(file.file, file.filename or "")
        return schemas.Uploaded(id=item.id, known=known)


def _add_ward(app: FastAPI, ward: WardPage, ending: Ending) -> None:
    @app.get("/ward", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "ward.html")

    @app.get("/api/ward/stream", **_events_of(WardState))
    def stream() -> StreamingResponse:
        """Return server-sent events: the data of each are JSON, first the state of all beds, then of changed ones."""
        return StreamingResponse(events(ward.changes(), ending), media_type=MEDIA_TYPE)

    @app.post("/api/ward/beds/{id}/alarms/{number}/acknowledge", status_code=204)
    def acknowledge(id_: Id, number: Annotated[int, PathParameter(ge=1, le=10**9)]) -> None:
        """Acknowledge an alarm, and the earlier ones of its rule about the same pattern."""
        ward.acknowledge(id_, number)


def _events_of(data: Any) -> dict[str, Any]:
    """Return how a route that streams events is documented; `data` is the type of their data."""
    content = {MEDIA_TYPE: {"schema": {"type": "string"}}}
    return {"response_class": StreamingResponse, "responses": {200: {"model": data, "content": content}}}


def _check_span(start_s: float, stop_s: float) -> None:
    if stop_s <= start_s:
        raise IctalError(f"stop_s is {stop_s:g} and start_s is {start_s:g}; stop_s must be larger")
