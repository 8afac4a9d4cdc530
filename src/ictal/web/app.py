"""The server: requests in, a call of the viewer, what it said out."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, UploadFile
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from ictal import __version__
from ictal.errors import IctalError, UnknownNameError
from ictal.models.hub import NOT_A_DEVICE
from ictal.web import schemas
from ictal.web.body_limit import BodyLimit
from ictal.web.details import listed_item
from ictal.web.library import NotYetError
from ictal.web.security import Guard
from ictal.web.settings import MEGABYTE
from ictal.web.traces import Cuts
from ictal.web.viewer import Viewer

STATIC = Path(__file__).parent / "static"
MOST_COLUMNS = 4000
UPLOAD = "/api/upload"
BINARY = "application/octet-stream"

Time = Annotated[float, Query(ge=0, le=1e8, allow_inf_nan=False, description="Seconds from the start.")]
Width = Annotated[int, Query(ge=1, le=MOST_COLUMNS, description="Pixels.")]
Hertz = Annotated[float | None, Query(gt=0, le=1e4, allow_inf_nan=False, description="Of a filter; none without.")]
Id = Annotated[str, PathParameter(alias="id", max_length=40, description="As the list gives it.")]
Named = Annotated[str | None, Query(max_length=60, description="Who asks; blind raters are told less.")]
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Problem, "description": what}
    for status, what in (
        (400, "The request makes no sense."),
        (401, "The token is missing or wrong."),
        (403, "Another site asks, or it is not allowed here."),
        (404, "There is no such thing."),
        (409, "It is not known yet, or withheld until a vote."),
        (413, "The request is too large."),
    )
}


def create_app(viewer: Viewer, token: str, host: str = "127.0.0.1") -> FastAPI:
    """Return the application, guarded by the token; see `ictal.web.security.Guard`."""
    app = FastAPI(
        title="ictal view", version=__version__, description=NOT_A_DEVICE, openapi_url="/api/openapi.json",
        docs_url=None, redoc_url=None, responses=PROBLEMS,
    )  # fmt: skip
    app.add_middleware(BodyLimit, larger={UPLOAD: viewer.settings.max_upload_mb * MEGABYTE})
    app.add_middleware(Guard, token=token, host=host)
    app.add_exception_handler(IctalError, _problem)
    _add_page(app)
    _add_recordings(app, viewer)
    _add_windows(app, viewer)
    _add_votes(app, viewer)
    if viewer.settings.upload:
        _add_upload(app, viewer)
    return app


async def _problem(_: Request, error: Exception) -> JSONResponse:
    """Answer with an error's own words; only what nobody foresaw is a 500."""
    status = 404 if isinstance(error, UnknownNameError) else 409 if isinstance(error, NotYetError) else 400
    return JSONResponse({"detail": str(error)}, status)


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _add_recordings(app: FastAPI, viewer: Viewer) -> None:
    @app.get("/api/about")
    def about() -> schemas.About:
        """Say what the program is, and what it may do here."""
        return schemas.About(**viewer.about())

    @app.get("/api/recordings")
    def recordings() -> list[schemas.Listed]:
        """List the recordings, with how far they are scored."""
        return [schemas.Listed(**listed_item(item)) for item in viewer.library]

    @app.get("/api/recordings/{id}")
    def recording(id_: Id, rater: Named = None) -> schemas.Details:
        """Say what is known of a recording."""
        return schemas.Details(**viewer.details(viewer.library[id_], rater))

    @app.get("/api/recordings/{id}/overview", responses={200: {"model": schemas.Overview}})
    def columns(id_: Id, start_s: Time, stop_s: Time, width: Width = 1200, rater: Named = None) -> Response:
        """Give the scores of a stretch of time as columns."""
        _check_span(start_s, stop_s)
        # Tens of thousands of numbers: they are not validated once more on their way out.
        content = viewer.overview(viewer.library[id_], (start_s, stop_s), width, rater)
        return Response(content, media_type="application/json")

    @app.get(
        "/api/recordings/{id}/signal",
        response_class=Response,
        responses={200: {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    def signal(
        id_: Id, start_s: Time, stop_s: Time, width: Width = 1500, montage: str | None = None,
        low_hz: Hertz = None, high_hz: Hertz = None, notch_hz: Hertz = None,
    ) -> Response:  # fmt: skip
        """Give traces as binary: the length of a JSON header (uint32), the header, then float32, little-endian."""
        _check_span(start_s, stop_s)
        cuts = Cuts(low_hz=low_hz, high_hz=high_hz, notch_hz=notch_hz)
        traces = viewer.traces(viewer.library[id_], montage, (start_s, stop_s), cuts, width)
        return Response(traces.to_bytes(), media_type=BINARY)


def _add_windows(app: FastAPI, viewer: Viewer) -> None:
    @app.get("/api/recordings/{id}/window")
    def window(id_: Id, time_s: Time, rater: Named = None) -> schemas.Window:
        """Say what is known of the window whose centre holds a time."""
        return schemas.Window(**viewer.window(viewer.library[id_], time_s, rater))

    @app.get("/api/recordings/{id}/similar")
    def similar(id_: Id, time_s: Time, rater: Named = None) -> schemas.Similar:
        """List windows like the one whose centre holds a time; the first answer takes seconds, as below."""
        windows, note = viewer.similar(viewer.library[id_], time_s, rater)
        return schemas.Similar(windows=[schemas.Neighbour(**each) for each in windows], note=note)

    @app.get("/api/recordings/{id}/why", responses={200: {"model": schemas.Why}})
    def why(
        id_: Id,
        time_s: Time,
        pattern: schemas.Pattern,
        method: schemas.Method = "gradients",
        rater: Named = None,
    ) -> JSONResponse:
        """Say what in a window speaks for a pattern; the first answer takes seconds, for the model is loaded."""
        return JSONResponse(viewer.why(viewer.library[id_], time_s, pattern, method, rater))


def _add_votes(app: FastAPI, viewer: Viewer) -> None:
    @app.get("/api/raters")
    def raters() -> list[schemas.Rater]:
        """List those who may vote."""
        return [schemas.Rater(name=name) for name in viewer.votes.raters()]

    @app.post("/api/raters", status_code=201)
    def add_rater(rater: schemas.Rater) -> schemas.Rater:
        """Add somebody who may vote."""
        viewer.votes.add_rater(rater.name)
        return schemas.Rater(name=viewer.votes.known(rater.name))

    @app.get("/api/recordings/{id}/votes")
    def votes(id_: Id, rater: Named = None) -> list[schemas.Vote]:
        """List the votes on a recording, of one rater or all."""
        return [schemas.Vote(**asdict(vote)) for vote in viewer.votes.all(viewer.library[id_].content, rater)]

    @app.post("/api/recordings/{id}/votes")
    def vote(id_: Id, ballot: schemas.Ballot) -> schemas.Vote:
        """Keep a vote on the window whose centre holds a time, in place of the rater's earlier one."""
        given = viewer.vote(viewer.library[id_], ballot.rater, ballot.time_s, ballot.pattern)
        return schemas.Vote(**asdict(given))

    @app.delete("/api/recordings/{id}/votes", status_code=204)
    def take_back(id_: Id, rater: Annotated[str, Query(max_length=60)], time_s: Time) -> None:
        """Remove a vote."""
        viewer.take_back(viewer.library[id_], rater, time_s)

    @app.get("/api/agreement")
    def agreement() -> schemas.Agreement:
        """Say how raters agree with each other and with the model."""
        return schemas.Agreement(**viewer.agreement())

    @app.get(
        "/api/export",
        response_class=Response,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    def export() -> Response:
        """Give the votes as the manifest that 'ictal ablate' reads, a row per window."""
        text = viewer.manifest().to_csv(index=False, lineterminator="\n")
        return Response(
            text, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="votes.csv"'}
        )


def _add_upload(app: FastAPI, viewer: Viewer) -> None:
    @app.post(UPLOAD, status_code=201)
    def upload(file: UploadFile) -> schemas.Uploaded:
        """Take a recording; it is parsed by a process of its own, scored and shown."""
        item, known = viewer.receive(file.file, file.filename or "")
        return schemas.Uploaded(id=item.id, known=known)


def _check_span(start_s: float, stop_s: float) -> None:
    if stop_s <= start_s:
        raise IctalError(f"stop_s is {stop_s:g} and start_s {start_s:g}; allowed is a later stop")
