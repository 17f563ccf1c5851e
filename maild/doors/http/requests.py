"""What a request says about its mail: the key, the sender, the format, the size.  Pure."""

from __future__ import annotations

from starlette.requests import Request

from maild.model.address import Address, InvalidAddressError
from maild.model.plain_text import short
from maild.model.reason import Answer, Reason

_MAIL = "message/rfc822"


def key_of(request: Request) -> str:
    """Return the key (RFC 6750 2.1); empty without one, which opens nothing."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def sender_of(request: Request) -> str | Answer:
    """Return the envelope sender; empty if none is given, as for the null sender (RFC 5321 4.5.5)."""
    unknown = sorted(set(request.query_params) - {"sender"})
    if unknown:
        return _bad(f"the query “{short(unknown[0])}” is not known; there is only “sender”")
    given = request.query_params.getlist("sender")
    if len(given) > 1:
        return _bad("there are several senders")
    text = "".join(given).strip().removeprefix("<").removesuffix(">")
    if not text:
        return ""
    try:
        Address.parse(text)
    except InvalidAddressError:
        return Answer(Reason.BAD_SENDER, {"sender": short(text)})
    return text


def wrong_format(request: Request) -> Answer | None:
    """Return why the body is no mail, as far as the header says it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _MAIL:
        return Answer(Reason.NO_MAIL_FORMAT, {"what": short(kind) or "nothing"})
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        return Answer(Reason.NO_MAIL_FORMAT, {"what": short(coding)})
    return None


def declared_size(request: Request) -> int | None:
    """Return how many octets the peer says that it sends; None: it does not say."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else None


def _bad(why: str) -> Answer:
    return Answer(Reason.BAD_REQUEST, {"why": why})
