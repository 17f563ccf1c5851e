"""The examples without a daemon: a mail that one's token may not see is no reason to hear of it again (G)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from maild.core.webhook_steps import new_secret
from maild.plugs.receiver import signed
from maild.testing.installation import free_port

EXAMPLES = Path(__file__).parents[2] / "examples" / "webhooks"
EVENT = {"type": "mail.filed", "data": {"mail": "01JABC"}}


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Stand for maild's API, and answer this to whatever is asked."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(secret: str, port: int) -> dict[str, str]:
    named = {"WEBHOOK_SECRET": secret, "MAILD_URL": f"http://127.0.0.1:{port}", "MAILD_TOKEN": "x"}
    return {**os.environ, **named}


@pytest.mark.parametrize(("api", "said"), [(404, 204), (403, 204), (500, 500)])
@pytest.mark.parametrize(
    "command", [[sys.executable, "receive.py"], ["node", "receive.mjs"]], ids=["python", "node"]
)
def test_G_a_mail_that_the_token_may_not_see_is_no_refusal(
    command: list[str], api: int, said: int
) -> None:
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is not installed: see tools/test-packages.sh")
    secret, port = new_secret(), free_port()
    body, headers = signed("evt_1", EVENT, [secret], datetime.now(UTC))
    with answering(api) as web:
        running = subprocess.Popen(
            [*command, str(port)],
            cwd=EXAMPLES,
            env=environment(secret, web),
            stdout=subprocess.DEVNULL,
        )
        try:
            assert status_of(port, body, headers) == said
        finally:
            running.kill()
            running.wait()


@pytest.mark.parametrize(("api", "ended"), [(404, 0), (410, 0), (500, 2)])
def test_G_a_mail_that_the_token_may_not_see_is_no_refusal_by_shell(api: int, ended: int) -> None:
    secret = new_secret()
    body, headers = signed("evt_1", EVENT, [secret], datetime.now(UTC))
    words = [headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]
    with answering(api) as web:
        done = subprocess.run(
            ["/bin/sh", str(EXAMPLES / "take.sh"), *words],
            input=body,
            env=environment(secret, web),
            capture_output=True,
            check=False,
        )
    assert done.returncode == ended, done.stderr


def status_of(port: int, body: bytes, headers: dict[str, str]) -> int:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        line = HTTPConnection("127.0.0.1", port, timeout=10)
        with closing(line), suppress(ConnectionRefusedError):
            line.request("POST", "/", body, headers)
            return line.getresponse().status
        time.sleep(0.1)
    raise AssertionError("nobody listens")
