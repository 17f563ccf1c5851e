#!/usr/bin/env python3
"""A receiver of maild's webhooks, of nothing but the standard library.

It verifies each event's signature, throws away what came before, fetches the mail by the API, and prints a line of JSON.

    WEBHOOK_SECRET=whsec_…  MAILD_URL=http://127.0.0.1:8025  MAILD_TOKEN=maild_…  ./receive.py 9000
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
MAILD_URL, TOKEN = os.environ["MAILD_URL"], os.environ["MAILD_TOKEN"]
TOLERANCE_S = 300
NOT_OURS = {403, 404, 410}  # We may not see the mail, or it is gone: to ask again would not help.
BODY_MAX = 1024 * 1024
seen: set[str] = (
    set()
)  # In earnest: a table with a unique column, written in the same transaction as the work.


def is_genuine(webhook_id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Say whether the body was signed with our secret, and lately."""
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    ours = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    # During a rotation there are two signatures: one that fits is enough.
    return any(hmac.compare_digest(f"v1,{ours}", one) for one in signatures.split(" "))


def fetch_mail(mail_id: str) -> Any:
    """Ask maild for the mail that an event is about; what we may see is decided there, and now."""
    request = urllib.request.Request(
        f"{MAILD_URL}/api/v1/mails/{mail_id}", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in NOT_OURS:
            return {"subject": None}
        raise


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what is genuine; in earnest: store the event, answer, and work afterwards."""

    def do_POST(self) -> None:
        """Take one event."""
        body = self.rfile.read(min(int(self.headers.get("content-length", 0)), BODY_MAX))
        webhook_id, timestamp, signatures = (
            self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
        )
        if not is_genuine(webhook_id, timestamp, signatures, body):
            self.send_response(401)
            self.end_headers()
            return
        status = 204
        if webhook_id not in seen:  # At least once means: now and then twice.
            try:
                tell(json.loads(body))
                seen.add(webhook_id)
            except OSError:
                status = 500  # maild sends it again.
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class has it
        """Say nothing of each request."""


def tell(event: dict[str, Any]) -> None:
    """Print what happened, and to which mail."""
    mail_id = event["data"].get("mail")
    subject = fetch_mail(mail_id)["subject"] if mail_id else None
    print(json.dumps({"type": event["type"], "mail": mail_id, "subject": subject}), flush=True)


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
