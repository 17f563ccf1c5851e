"""One door in a process of its own, so that its memory can be looked at: `python child_door.py PLAN`.

The plan is JSON: `kind` is ours or stock, `folder` is for spools, `facts` are the listener's, `hangs` makes the inside never
answer, `certificate` is the folder of one for implicit TLS.  Prints its port.  Then each line on its standard input is a question: `begin` makes the peak begin anew, `memory` prints
the resident size and its peak in KiB, and the end of the input ends the process.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import ssl
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiosmtpd.smtp import SMTP
from typing_extensions import override

from maild.core.raw import Raw
from maild.doors.smtp.facts import ListenerFacts, TlsMode
from maild.doors.smtp.listener import Listener
from maild.model.clock import system_clock
from maild.model.envelope import Door, Envelope
from maild.model.reason import Answer, Reason
from maild.model.written import HostPort
from maild.testing.intake import FakeIntake

OPEN_FILES = 8192


class Forgetful:
    """A handler of the stock library that looks at the mail and forgets it."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        return f"250 OK {len(envelope.content)}"


class Inside(FakeIntake):
    """Answers at once, or never."""

    hangs = False

    @override
    async def accept(self, envelope: Envelope, raw: Raw) -> list[Answer]:
        if self.hangs:
            await asyncio.Event().wait()
        raw.discard()
        return [Answer(Reason.ACCEPTED, {"ref": str(raw.size)}) for _ in envelope.recipients]


def _tls(certificate: str | None) -> dict[str, Any]:
    if certificate is None:
        return {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(certificate) / "cert.pem", Path(certificate) / "key.pem")
    return {"tls": TlsMode.IMPLICIT, "tls_context": context}


async def open_ours(plan: dict[str, Any]) -> int:
    facts = ListenerFacts(
        name="child",
        door=Door.SMTP,
        bind=HostPort("127.0.0.1", 0),
        hostname="mail.acme.example",
        **_tls(plan.get("certificate")),
        **plan.get("facts", {}),
    )
    listener = Listener(facts, system_clock)
    inside = Inside(Path(plan["folder"]))
    inside.hangs = plan.get("hangs", False)
    await listener.start(inside)
    KEPT.append(listener)
    return listener.port


async def open_stock(plan: dict[str, Any]) -> int:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Forgetful(), hostname="mail.acme.example", loop=loop), "127.0.0.1", 0
    )
    KEPT.append(server)
    return int(server.sockets[0].getsockname()[1])


KEPT: list[object] = []


def memory() -> list[int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return [
        next(int(line.split()[1]) for line in lines if line.startswith(field))
        for field in ("VmRSS:", "VmHWM:")
    ]


async def main(plan: dict[str, Any]) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    port = await (open_ours(plan) if plan["kind"] == "ours" else open_stock(plan))
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    while question := await loop.run_in_executor(None, sys.stdin.readline):
        if question == "begin\n":
            Path("/proc/self/clear_refs").write_text("5")
        print(json.dumps(memory()), flush=True)
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
