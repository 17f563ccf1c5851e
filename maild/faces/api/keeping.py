"""`/errands`, `/answers`, `/directories`: what goes out, what is remembered, and where clients come from."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from maild.core import clients_following, outbox, standing_rulings
from maild.core.clients_following import DirectoryView
from maild.core.outbox import ErrandView
from maild.core.standing_rulings import Remembered
from maild.faces.api.calls import Asked
from maild.faces.api.parts import part
from maild.faces.api.words import LINE_MAX, Account, Asking, Line
from maild.model.errand import ErrandState

routes = part("keeping")

ERRANDS_MAX = 500
Subject = Annotated[
    str, Path(description="What the answer is about, as the list shows it.", max_length=LINE_MAX)
]


class ErrandIds(Asking):
    """Errands, by their ids."""

    ids: Annotated[tuple[Line, ...], Field(min_length=1, max_length=ERRANDS_MAX)]


class Errands(BaseModel):
    """Errands, the newest first, a thousand at most."""

    errands: list[ErrandView]


class Answers(BaseModel):
    """What an account remembers, the oldest first."""

    answers: list[Remembered]


class Directories(BaseModel):
    """The directories that accounts follow."""

    directories: list[DirectoryView]


@routes.get("/errands", response_model=Errands)
async def list_errands(call: Asked, state: ErrandState | None = None) -> Response:
    """List what is to go out, and what became of it: for the operator."""
    return await call.answer(lambda app, by: {"errands": outbox.list_errands(app, state, by=by)})


@routes.post("/errands/retry", response_model=Errands)
async def retry_errands(call: Asked, asked: ErrandIds) -> Response:
    """Have errands tried at once that are dead or wait; all of them, or none."""
    return await call.answer(
        lambda app, by: {"errands": outbox.retry_errands(app, asked.ids, by=by)}
    )


@routes.get("/answers", response_model=Answers)
async def list_answers(call: Asked, account: Account = None) -> Response:
    """List what people asked to be remembered for the next mail."""
    return await call.answer(
        lambda app, by: {"answers": standing_rulings.list_remembered(app, account=account, by=by)}
    )


@routes.delete("/answers/{subject:path}", response_model=Remembered)
async def forget_answer(call: Asked, subject: Subject, account: Account = None) -> Response:
    """End a standing answer; mails that it decided stay as they are."""
    return await call.answer(
        lambda app, by: standing_rulings.forget_answer(app, subject, account=account, by=by)
    )


@routes.get("/directories", response_model=Directories)
async def list_directories(call: Asked) -> Response:
    """List the directories that the asker's accounts follow, and how that goes."""
    return await call.answer(
        lambda app, by: {"directories": clients_following.list_directories(app, by=by)}
    )


@routes.get("/directory", response_model=DirectoryView)
async def show_directory(call: Asked, account: Account = None) -> Response:
    """Show the directory that an account follows."""
    return await call.answer(
        lambda app, by: clients_following.show_directory(app, account=account, by=by)
    )
