"""Answers as HTTP says them: 202 with the delivery's id, else a problem document (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus

from starlette.responses import Response

from maild.model.reason import Answer, Reason

RETRY_AFTER_S = 60
"""What a peer is told to wait when the fault is ours."""
_HTTP_UNAVAILABLE = 503


def document(answer: Answer) -> dict[str, object]:
    """Return the problem document of a refusal; `code` is what programs match."""
    status = HTTPStatus(answer.reason.value.http)
    sentence = answer.reason.say(**answer.facts)
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}.",
        "code": answer.reason.code,
    }


def headers_of(answer: Answer) -> dict[str, str]:
    """Return what the header says beside the document."""
    if answer.reason.value.http == _HTTP_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_S)}
    if answer.reason is Reason.METHOD_NOT_ALLOWED:
        return {"Allow": "POST"}
    return {}


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
        json.dumps(document(answer)),
        answer.reason.value.http,
        headers,
        media_type="application/problem+json",
    )


def raw_response(answer: Answer) -> bytes:
    """Return a refusal as bytes, for a peer that did not get as far as a request; the connection ends with it."""
    body = json.dumps(document(answer)).encode()
    status = HTTPStatus(answer.reason.value.http)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers_of(answer).items()),
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
