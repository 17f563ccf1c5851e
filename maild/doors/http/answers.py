"""Answers as HTTP says them: 202 with the delivery's id, else a problem document (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

from maild.core.problem import problem, retry_after
from maild.model.reason import Answer, Reason


def headers_of(answer: Answer) -> dict[str, str]:
    """Return what the header says beside the document."""
    allowed = {"Allow": "POST"} if answer.reason is Reason.METHOD_NOT_ALLOWED else {}
    return {**retry_after(answer.reason, answer.facts), **allowed}


def response_to(answer: Answer, *, closes: bool) -> Response:
    """Return the response; `closes` where the peer still sends what nobody will read."""
    headers = headers_of(answer) | ({"Connection": "close"} if closes else {})
    if answer.is_accepted:
        return Response(
            json.dumps({"id": answer.facts["ref"]}),
            answer.reason.value.http,
            headers,
            media_type="application/json",
        )
    return Response(
        json.dumps(problem(answer.reason, answer.facts)),
        answer.reason.value.http,
        headers,
        media_type="application/problem+json",
    )


def raw_response(answer: Answer) -> bytes:
    """Return a refusal as bytes, for a peer that did not get as far as a request; the connection ends with it."""
    body = json.dumps(problem(answer.reason, answer.facts)).encode()
    status = HTTPStatus(answer.reason.value.http)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers_of(answer).items()),
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
