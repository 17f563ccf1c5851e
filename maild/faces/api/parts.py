"""What each part of the API begins with.

A part's routes are given their whole path and their refusals when they are declared.  FastAPI would also add both where a
part is included, but then it builds each route a second time, amid the first request that looks for it: a second of work
in the loop that takes in mail.
"""

from __future__ import annotations

from fastapi import APIRouter

from maild.faces.api.shapes import Problem

PREFIX = "/api/v1"
REFUSALS = ("4XX", "503")
"""What any route may answer instead."""


def part(tag: str, path: str = "") -> APIRouter:
    """Return the routes of a part, none yet; `path` is where they begin behind PREFIX."""
    return APIRouter(
        prefix=PREFIX + path,
        tags=[tag],
        responses={status: {"model": Problem} for status in REFUSALS},
    )
