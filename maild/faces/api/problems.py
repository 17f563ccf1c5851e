"""What the API refuses, as problem documents (RFC 9457); never an exception's own words, and nothing that was sent in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from maild.core.door_faults import internal_error
from maild.core.faults import fault_of
from maild.core.problem import problem, retry_after
from maild.faces.documents import document
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError

COMMON = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""What every answer of the API says in its header."""
PROBLEM = "application/problem+json"
ERRORS_MAX = 20
_HTTP_UNAUTHORIZED = 401
_NOT_JSON = "its body is to be JSON, with Content-Type: application/json"


def response_to(refused: RefusedError, *, closes: bool = False, **more: Any) -> Response:
    """Return a refusal as a response; `closes` where the peer still sends what nobody will read."""
    told = problem(refused.reason, refused.facts)
    told["actions"] = document(refused.ways)
    headers = {**COMMON, **retry_after(refused.reason, refused.facts)}
    if refused.reason.value.http == _HTTP_UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 3
    if refused.reason is Reason.NO_SUCH_METHOD:
        headers["Allow"] = str(refused.facts["methods"])
    if closes:
        headers["Connection"] = "close"
    body = json.dumps({**told, **more})
    return Response(body, refused.reason.value.http, headers, PROBLEM)


def refusal_of(error: BaseException) -> RefusedError:
    """Return what an exception is to whoever asked: a refusal, or a fault of ours under its name in the log."""
    if isinstance(error, RefusedError):
        return error
    fault = fault_of(error)
    if fault is not None and fault.code == Reason.STORE_DOWN.code:
        return RefusedError(Reason.STORE_DOWN)
    answer = internal_error("api_failed", error)
    return RefusedError(answer.reason, **answer.facts)


async def on_refused(request: Request, error: Exception) -> Response:
    """Answer what core refused, or what nobody foresaw."""
    return response_to(refusal_of(error))


async def on_no_route(request: Request, error: Exception) -> Response:
    """Answer what the router refused: no such path, or not with this method."""
    if not isinstance(error, HTTPException):
        return response_to(refusal_of(error))
    match error.status_code:
        case 404:
            refused = RefusedError(Reason.NO_SUCH_ROUTE)
        case 405:
            methods = request.app.state.methods_at(request.scope["path"])
            refused = RefusedError(Reason.NO_SUCH_METHOD, methods=", ".join(methods))
        case _:
            refused = RefusedError(Reason.INVALID_REQUEST, why="its body is no JSON")
    return response_to(refused)


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer a request that is not as the API takes it: where, and why; never what stood there, which may be a secret."""
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    if any(one["loc"] == ("body",) for one in found) and not _is_json(request):
        return response_to(RefusedError(Reason.INVALID_REQUEST, why=_NOT_JSON))
    errors = [{"where": _place(one["loc"]), "why": _why(one)} for one in found[:ERRORS_MAX]]
    first = f"{errors[0]['where']}: {errors[0]['why']}" if errors else "it is not as documented"
    return response_to(RefusedError(Reason.INVALID_REQUEST, why=first), errors=errors)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _place(path: Sequence[object]) -> str:
    """Return where it is, as `body.email`; names come from whoever asks."""
    return short(".".join(map(str, path)), 100)


def _why(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return "it is no JSON"
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{text[:1].lower()}{text[1:]}"
