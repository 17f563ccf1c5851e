"""Links in a mail: which may stay, and where they truly lead (T8)."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

import idna

URL_MAX = 8_192
"""Characters of a link; beyond, it is none."""
_LINK = re.compile(r"(?:https?://[^/]|mailto:|tel:)", re.IGNORECASE)
_DROPPED = re.compile(r"[\t\r\n]")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HOST = re.compile(
    r"(?<![\w@.-])(?:https?://)?((?:[a-z0-9](?:[a-z0-9-]{0,62})\.){1,6}[a-z]{2,24})(?![\w@-])",
    re.IGNORECASE | re.ASCII,
)
_HOSTS_READ = 5


def safe_link(url: str) -> str | None:
    """Return a link that may stay, as a browser reads it; None for any other scheme, or none."""
    if len(url) > URL_MAX:
        return None
    url = _DROPPED.sub("", url).strip().replace("\\", "/")
    if _LINK.match(url) is None or _UNFIT.search(url) is not None:
        return None
    return url.replace(" ", "%20")


def host_of(url: str) -> str:
    """Return the host that a web link leads to, in letters that cannot be mistaken; empty for other links."""
    link = safe_link(url)
    if link is None or not link.lower().startswith("http"):
        return ""
    try:
        host = urlsplit(link).hostname or ""
    except ValueError:
        return ""
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except (ValueError, idna.IDNAError):
        # No name by the book; a browser may take it for one, and go there.
        return quote(host, safe=".-_")


def hosts_in(text: str) -> list[str]:
    """Return the hosts that a text names, as the text of a link does that pretends to lead there."""
    found = []
    for match in _HOST.finditer(text.lower()):
        found.append(match[1].removeprefix("www."))
        if len(found) == _HOSTS_READ:
            break
    return found
