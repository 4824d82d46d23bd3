"""The routes: a page, the clips of its visitors, and the same answers for other programs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from musicavqa import __version__
from musicavqa.ask.asking import CAVEAT
from musicavqa.ask.documents import VERSION, schema
from musicavqa.files import parse_json
from musicavqa.serve.clips import Clip, Clips
from musicavqa.serve.guard import App, Guard
from musicavqa.serve.line import Full, Line, Overdue, Ticket
from musicavqa.serve.reader import EXAMPLES, Errand, Reader
from musicavqa.serve.settings import Settings
from musicavqa.serve.uploads import checked, receive
from musicavqa.terminal import plain

ASSETS = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/lanes.js": ("lanes.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/api": ("api.html", "text/html"),
    "/api.js": ("api.js", "text/javascript"),
}
"""Address -> file of the package; nothing else of the disk can be asked for."""
SWEEP_S = 30.0
LARGEST_JSON = 2**17
_LOG = logging.getLogger(__name__)


def build(settings: Settings, folder: Path) -> App:
    """The application; uploads are kept in `folder` until they were read."""
    line = Line(Reader(settings), settings.waiting, settings.work_s)
    clips = Clips(folder, line, settings.keep_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(clips))
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.to_thread(line.close)

    app = FastAPI(
        title="musicavqa", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    _add_errors(app)
    _add_assets(app, settings)
    _add_clips(app, clips, settings)
    _add_ask(app, clips, settings)
    return Guard(app, settings.names, lambda why: _failure(403, "Refused", why))


async def _sweep(clips: Clips) -> None:
    while True:
        await asyncio.sleep(min(SWEEP_S, clips.keep_s))
        clips.tidy()


def _failure(status: int, kind: str, message: str, name: str = "") -> JSONResponse:
    """An error as a document of the schema."""
    error = {"kind": kind, "message": " ".join(plain(message).split())}
    document = {"version": VERSION, "file": name, "mark": None, "error": error}
    return JSONResponse(document, status)


def _add_errors(app: FastAPI) -> None:
    def told(status: int, kind: str) -> Callable[[Request, Exception], Response]:
        return lambda _, error: _failure(status, kind, str(error))

    def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _failure(error.status_code, "Refused", error.detail)

    def unexpected(request: Request, error: Exception) -> Response:
        _LOG.error("%s failed", plain(request.url.path), exc_info=error)
        return _failure(
            500, "Failed", "Something went wrong here; the log of the server says what."
        )

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Full, told(503, "Full"))
    app.add_exception_handler(Overdue, told(504, "Overdue"))
    app.add_exception_handler(ChildProcessError, told(500, "Killed"))
    app.add_exception_handler(Exception, unexpected)


def _add_assets(app: FastAPI, settings: Settings) -> None:
    about = {
        "version": __version__,
        "caveat": CAVEAT,
        "most_bytes": settings.most_bytes,
        "most_s": settings.most_s,
        "examples": EXAMPLES,
    }

    def asset(name: str, kind: str) -> Callable[[], Response]:
        content = files("musicavqa.serve").joinpath("page", name).read_bytes()
        return lambda: Response(content, media_type=kind)

    for address, (name, kind) in ASSETS.items():
        app.add_api_route(address, asset(name, kind), methods=["GET"], include_in_schema=False)
    app.add_api_route("/about", lambda: about, methods=["GET"], include_in_schema=False)


def _add_clips(app: FastAPI, clips: Clips, settings: Settings) -> None:
    """What the page asks for; not part of the API that is promised."""

    @app.post("/clips", include_in_schema=False)
    async def send(request: Request) -> dict[str, Any]:
        with clips.line.place() as enter:
            key, path = clips.new_path()
            received = await _received(request, path, settings)
            errand = Errand(key, path, received.name, kept=clips.kept(key))
            clips.add(Clip(key, path, received.name, enter(errand)))
        return {"key": key}

    @app.post("/clips/example/{number}", include_in_schema=False)
    async def example(number: int) -> dict[str, Any]:
        with clips.line.place() as enter:
            key, path = clips.new_path()
            name = f"example {number % EXAMPLES}"
            errand = Errand(key, path, name, example=number, kept=clips.kept(key))
            clips.add(Clip(key, path, name, enter(errand), example=True))
        return {"key": key}

    @app.get("/clips/{key}", include_in_schema=False)
    async def state(key: str) -> dict[str, Any]:
        clip = _clip(clips, key)
        told = clips.state(clip)
        return {**told, "result": await _came(clip.ticket)} if told["is_done"] else told

    @app.get("/clips/{key}/media", include_in_schema=False)
    async def media(key: str) -> Response:
        clip = _clip(clips, key)
        if not clip.example or not clip.ticket.future.done():
            raise HTTPException(404, "Only examples that were rendered here can be watched here.")
        return FileResponse(clip.path, media_type="video/mp4")

    @app.post("/clips/{key}/ask", include_in_schema=False)
    async def ask_clip(key: str, request: Request) -> dict[str, Any]:
        questions = await _questions_in(request)
        clip = _clip(clips, key)
        with clips.line.place() as enter:
            clip.asking = enter(Errand(key, None, clip.name, questions, kept=clips.kept()))
        return await _came(clip.asking)

    @app.delete("/clips/{key}", include_in_schema=False)
    async def forget(key: str) -> dict[str, Any]:
        clips.forget(key)
        return {}


def _add_ask(app: FastAPI, clips: Clips, settings: Settings) -> None:
    @app.post("/ask", **_described())
    async def ask(request: Request) -> Response:
        """Answer questions about one file; the file is deleted before the answer is sent.

        The document is that of `musicavqa ask --json`; errors have the same form.
        """
        key, path = clips.new_path()
        try:
            with clips.line.place() as enter:
                received = await _received(request, path, settings)
                if not received.questions:
                    raise HTTPException(400, "Ask at least one question, in parts named questions.")
                kept = clips.kept()
                errand = Errand(key, path, received.name, received.questions, kept=kept)
                ticket = enter(errand)
            try:
                document = (await _came(ticket))["document"]
            finally:
                clips.line.leave(ticket)  # of one who went away while waiting
        finally:
            path.unlink(missing_ok=True)
        return JSONResponse(document, 422 if "error" in document else 200)


async def _received(request: Request, path: Path, settings: Settings) -> Any:
    try:
        return await receive(request, path, settings)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _came(ticket: Ticket) -> dict[str, Any]:
    try:
        return await asyncio.wrap_future(ticket.future)
    except asyncio.CancelledError:
        if ticket.future.cancelled():
            raise HTTPException(410, "The file was deleted before it was read.") from None
        raise


def _clip(clips: Clips, key: str) -> Clip:
    clip = clips.get(key)
    if clip is None:
        raise HTTPException(404, "There is no such file here any more. Send it again.")
    return clip


async def _questions_in(request: Request) -> tuple[str, ...]:
    """Questions of a JSON body; another type of body would let foreign forms in."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "Send JSON.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_JSON:
            raise HTTPException(413, "The request is too large.")
    questions = None
    with suppress(ValueError, RecursionError):
        found = parse_json(body)
        questions = found.get("questions") if isinstance(found, dict) else None
    if not isinstance(questions, list) or not all(isinstance(text, str) for text in questions):
        raise HTTPException(400, 'Send {"questions": ["..."]}.')
    if not questions:
        raise HTTPException(400, "Ask at least one question.")
    return checked(tuple(questions))


def _described() -> dict[str, Any]:
    """OpenAPI of `POST /ask`."""
    document = {"content": {"application/json": {"schema": _local(schema())}}}
    errors = {
        400: "The form cannot be used.",
        403: "The request comes from a page of somebody else, or for a name that is not ours.",
        408: "The upload took too long.",
        413: "The file is too large.",
        422: "The file cannot be read as video or sound.",
        503: "The queue is full.",
        504: "Reading took too long.",
    }
    form = {
        "type": "object",
        "required": ["file", "questions"],
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "questions": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
    }
    body = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    return {
        "responses": {
            200: {"description": "The answers.", **document},
            **{code: {"description": text, **document} for code, text in errors.items()},
        },
        "openapi_extra": {"requestBody": body},
    }


def _local(found: Any) -> Any:
    """The schema with its parts put in place, as an OpenAPI document has none of its own."""
    parts = schema()["$defs"]

    def placed(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return placed(parts[value["$ref"].rpartition("/")[2]])
            return {k: placed(v) for k, v in value.items() if k not in ("$defs", "$schema", "$id")}
        return [placed(item) for item in value] if isinstance(value, list) else value

    return placed(found)
