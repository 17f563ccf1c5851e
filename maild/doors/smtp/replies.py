"""Enhanced status codes (RFC 2034, 3463) for the replies that aiosmtpd makes itself, and the few that are fixed."""

from __future__ import annotations

import re

_ENHANCED = re.compile(r"[245][0-9]{2} [245]\.[0-9]{1,3}\.[0-9]{1,3} ", re.ASCII)

_BY_CODE = {
    "220": "2.0.0",
    "221": "2.0.0",
    "250": "2.0.0",
    "252": "2.5.0",
    "421": "4.3.0",
    "451": "4.3.0",
    "454": "4.7.0",
    "500": "5.5.2",
    "501": "5.5.4",
    "502": "5.5.1",
    "503": "5.5.1",
    "554": "5.5.1",
}

LINE_END = "500 5.5.2 lines end with CRLF and have no control characters"
LINE_TOO_LONG = "500 5.5.2 line too long"
EMPTY_LINE = "500 5.5.2 empty line"
NOT_UTF8 = "500 5.5.2 not UTF-8"
UNKNOWN_COMMAND = "500 5.5.1 command not recognised"
NEED_MAIL = "503 5.5.1 need MAIL first"
NEED_RCPT = "503 5.5.1 need RCPT first"
NESTED_MAIL = "503 5.5.1 there is a sender already; RSET begins anew"
ALREADY_TLS = "503 5.5.1 TLS is on already"
NO_TLS = "454 4.7.0 TLS not available"
NOT_SMTP = "421 4.7.0 this is no web server"
NEED_EHLO = "503 5.5.1 need EHLO first"
NEED_TLS = "538 5.7.11 signing in needs TLS: STARTTLS first"
SIGNED_IN_ALREADY = "503 5.5.1 you are signed in"
AUTH_IN_MAIL = "503 5.5.1 not within a mail; RSET begins anew"
UNKNOWN_MECHANISM = "504 5.5.4 the mechanisms are PLAIN and LOGIN"
AUTH_CANCELLED = "501 5.7.0 signing in was cancelled"
BAD_AUTH = "501 5.5.2 that is not what the mechanism asks for"
AUTH_LINE_MAX = 12288
"""Octets of a line of AUTH (RFC 4954 4)."""
TOO_MANY_ERRORS = "421 4.7.0 too many errors"
TOO_MANY_MISSES = "421 4.7.0 too many unknown recipients"
TOO_MANY_COMMANDS = "421 4.7.0 too many commands without a mail"
TOO_MANY_CONNECTIONS = "421 4.7.0 too many connections"
TOO_OFTEN = "421 4.7.0 too many connections within a minute"
IDLE = "421 4.4.2 you were silent for too long"
SESSION_OVER = "421 4.4.2 too long without a mail"
TOO_SLOW = "421 4.4.2 the mail took too long"
FLOOD = "421 4.7.0 far more than the size limit"


def enhanced(reply: str) -> str:
    """Return a one-line reply as printable ASCII with an enhanced code; ours have one, the library's get one here."""
    if not (reply.isascii() and reply.isprintable()):
        reply = "".join(char if " " <= char <= "~" else "?" for char in reply)
    code = reply[:3]
    if _ENHANCED.match(reply) or code not in _BY_CODE:
        return reply
    return f"{code} {_BY_CODE[code]} {reply[4:]}"
