"""A form with a file is received: counted while it comes, kept under a name of our own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from musicavqa.serve.settings import LONGEST_NAME, LONGEST_QUESTION, MOST_QUESTIONS, Settings

FORM_BYTES = 2**16
"""What a form may hold besides the file."""


@dataclass(frozen=True)
class Received:
    """A file, what its sender calls it, and what is asked of it."""

    path: Path
    name: str
    questions: tuple[str, ...]


async def receive(request: Request, path: Path, settings: Settings) -> Received:
    """Write the file of the form to `path`. HTTPException: 400, 408, 411 or 413."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(400, "Send a form (multipart/form-data) with a part named file.")
    _check_announced(request, settings)
    with anyio.move_on_after(settings.upload_s):
        try:
            return await _parsed(request, path, settings)
        except MultiPartException as error:
            raise HTTPException(400, f"The form cannot be read: {error.message}") from error
        except ClientDisconnect as error:
            raise HTTPException(400, "The upload was broken off.") from error
    raise HTTPException(408, f"The upload took more than {settings.upload_s:.0f} s.")


async def _parsed(request: Request, path: Path, settings: Settings) -> Received:
    parser = MultiPartParser(
        request.headers,
        _counted(request, settings),
        max_files=1,
        max_fields=MOST_QUESTIONS,
        max_part_size=4 * LONGEST_QUESTION,
    )
    form = await parser.parse()
    try:
        questions = tuple(str(text) for text in form.getlist("questions"))
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise HTTPException(400, "The form has no file. Send it as a part named file.")
        await anyio.to_thread.run_sync(_keep, file.file, path)
        return Received(path, (file.filename or "")[-LONGEST_NAME:], checked(questions))
    finally:
        await form.close()


def checked(questions: tuple[str, ...]) -> tuple[str, ...]:
    """The questions; HTTPException 400 for too many, too long or empty ones."""
    if len(questions) > MOST_QUESTIONS:
        raise HTTPException(400, f"At most {MOST_QUESTIONS} questions can be asked at once.")
    for text in questions:
        if not text.strip() or len(text) > LONGEST_QUESTION:
            raise HTTPException(400, f"A question has 1 to {LONGEST_QUESTION} letters.")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise HTTPException(400, "A question is not text in UTF-8.")
    return questions


def _check_announced(request: Request, settings: Settings) -> None:
    announced = request.headers.get("content-length", "")
    if not (announced.isascii() and announced.isdigit()):
        return  # it is counted while it comes
    if int(announced) > settings.most_bytes + FORM_BYTES:
        raise _too_large(settings)


async def _counted(request: Request, settings: Settings) -> Any:
    n_bytes = 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes > settings.most_bytes + FORM_BYTES:
            raise _too_large(settings)
        yield chunk


def _too_large(settings: Settings) -> HTTPException:
    return HTTPException(
        413, f"The file is too large; {settings.most_bytes / 2**20:.0f} MB may be sent."
    )


def _keep(file: Any, path: Path) -> None:
    file.seek(0)
    with path.open("xb") as target:
        shutil.copyfileobj(file, target)
