"""`maild demo`: a throw-away installation, sample mail through the real doors, and where each mail went and why.

It works offline, touches nothing outside its temporary folder, and doubles as a test: every mail has an outcome that
`plan.py` expects.
"""

from __future__ import annotations

import smtplib
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from maild.demo.company import a_demo_company
from maild.demo.plan import HANDED_OVER, RETRIED, STEPS, TWO_DOORS, Step
from maild.testing.installation import Installation

SAMPLES = Path(__file__).parent.parent.parent / "fixtures" / "eml"


class DemoError(Exception):
    """The demo cannot run here; the message says why."""


def run(*, port_base: int | None, once: bool) -> int:
    """Run the demo; return 0 when every mail has the outcome that is expected, else 1.

    With `once` it ends then; otherwise it stays open for visitors until Ctrl-C.
    """
    if not SAMPLES.is_dir():
        raise DemoError(
            f"the sample mails are part of the source tree and not of this installation ({SAMPLES})"
        )
    with tempfile.TemporaryDirectory(prefix="maild-demo-") as folder:
        place = Installation(Path(folder))
        if port_base is not None:
            place.smtp, place.submission = port_base, port_base + 1
        try:
            return _play(place, once=once)
        finally:
            place.stop()


def _play(place: Installation, *, once: bool) -> int:
    talk = Console(stderr=True)
    talk.print("maild demo: making a company in a temporary folder …")
    place.make()
    a_demo_company(place)
    place.start()
    talk.print(
        f"SMTP for the world on 127.0.0.1:{place.smtp}, for signed-in users on 127.0.0.1:{place.submission}, "
        f"LMTP on {place.lmtp}"
    )
    with talk.status("sending mail …"):
        _send_all(place)
        place.settle()
    mails = {mail["message_id"]: mail for mail in place.cli("mail", "list", "--limit", "1000")}
    handed = mails[_message_id(HANDED_OVER)]
    place.cli(
        "mail",
        "give",
        handed["id"],
        "--to",
        "jan@acme.example",
        "--by",
        "lea@acme.example",
        "--note",
        "yours",
    )
    given = place.cli("mail", "show", handed["id"])
    wrong = [
        problem for step in STEPS for problem in _problems(step, mails.get(_message_id(step.mail)))
    ]
    wrong += _problems_of_arrivals(place, mails) + _problems_of_giving(given)
    _show(mails, given)
    for problem in wrong:
        talk.print(Text(f"NOT AS EXPECTED: {problem}", style="bold red"))
    doctor = place.run("doctor")
    talk.print(
        f"{len(STEPS) - len(wrong)} of {len(STEPS)} as expected."
        if wrong
        else f"All {len(STEPS)} as expected."
    )
    talk.print(
        doctor.stdout.decode().strip().splitlines()[-1]
        if doctor.stdout
        else "maild doctor said nothing"
    )
    if not once:
        _stay_open(talk, place)
    return 1 if wrong or doctor.returncode else 0


def _stay_open(talk: Console, place: Installation) -> None:
    talk.print(
        f"\nThe demo stays open. Look around with MAILD_CONFIG={place.config}, for example:\n"
        "  maild mail list --owner jan@acme.example\n  maild explain ID\n"
        f"  swaks --server 127.0.0.1:{place.submission} --from eva@acme.example --to crm@acme.example\n"
        "Ctrl-C ends it and deletes everything."
    )
    try:
        while place.process is not None and place.process.poll() is None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        talk.print("Good-bye.")


# --- sending ----------------------------------------------------------------------------------------------------------


def _send_all(place: Installation) -> None:
    doors: dict[str, Callable[[], smtplib.SMTP]] = {
        "world": lambda: smtplib.SMTP("127.0.0.1", place.smtp, local_hostname="demo.example"),
        "signed-in": lambda: smtplib.SMTP(
            "127.0.0.1", place.submission, local_hostname="demo.example"
        ),
        "lmtp": lambda: smtplib.LMTP(str(place.lmtp), local_hostname="demo.example"),
    }
    for step in STEPS:
        _send(doors[step.door], step.mail)
        if step.mail == "thread-1-user-asks":
            # The answer below is filed by its thread: the question must be decided first.
            place.settle()
    _send(doors["world"], RETRIED)
    _send(doors["lmtp"], TWO_DOORS)


def _send(door: Callable[[], smtplib.SMTP], mail: str) -> None:
    route = _sidecar(mail)["route"]
    with door() as peer:
        peer.sendmail(route["mail_from"], route["rcpt"], (SAMPLES / f"{mail}.eml").read_bytes())


def _sidecar(mail: str) -> dict[str, Any]:
    return tomllib.loads((SAMPLES / f"{mail}.toml").read_text(encoding="utf-8"))


def _message_id(mail: str) -> str:
    return str(_sidecar(mail)["message_id"])


# --- judging ----------------------------------------------------------------------------------------------------------


def _problems(step: Step, mail: dict[str, Any] | None) -> list[str]:
    """Return what is not as the plan expects, in words."""
    if mail is None:
        return [f"{step.mail} is not there"]
    found = {
        "state": mail["state"],
        "reason": mail["reason"],
        "mailbox": _local(mail["owner"]),
        "sender": _local(mail["user"]),
        "client": ", ".join(client["name"] for client in mail["clients"]),
    }
    wanted = {
        "state": step.state,
        "reason": step.reason,
        "mailbox": step.owner,
        "sender": step.sender,
        "client": step.client,
    }
    return [
        f"{step.mail}: {key} is {found[key]!r}, not {wanted[key]!r}"
        for key in wanted
        if found[key] != wanted[key]
    ]


def _problems_of_arrivals(place: Installation, mails: dict[str, Any]) -> list[str]:
    problems = []
    if len(mails) != len(STEPS):
        problems.append(f"{len(mails)} mails are stored, not {len(STEPS)}")
    for mail, arrivals, retries in ((RETRIED, 1, 1), (TWO_DOORS, 2, 0)):
        shown = place.cli("mail", "show", mails[_message_id(mail)]["id"])["arrivals"]
        if (len(shown), sum(one["retries"] for one in shown)) != (arrivals, retries):
            problems.append(f"{mail} has arrivals {shown}")
    return problems


def _problems_of_giving(given: dict[str, Any]) -> list[str]:
    if given["owner"] == "jan@acme.example" and given["unread"]:
        return []
    return [
        f"{HANDED_OVER} was given to Jan and lies with {given['owner']}, unread: {given['unread']}"
    ]


def _local(address: str | None) -> str:
    return (address or "").partition("@")[0]


# --- showing ----------------------------------------------------------------------------------------------------------


def _show(mails: dict[str, Any], given: dict[str, Any]) -> None:
    """Print where each mail went and why."""
    table = Table(
        title="Where each mail went, and why", title_justify="left", row_styles=["", "dim"]
    )
    for column in ("mail", "by", "to", "outcome", "in the mailbox of", "why"):
        table.add_column(column, overflow="fold")
    for step in STEPS:
        mail = mails.get(_message_id(step.mail))
        if mail is None:
            continue
        unread = ", unread" if mail["unread"] else ""
        table.add_row(
            Text(step.mail),
            step.door,
            _local(mail["inbox"]),
            "\n".join([mail["state"], mail["reason"], *(f"+ {mark}" for mark in mail["beside"])]),
            Text(f"{_local(mail['owner']) or '(nobody)'}{unread}"),
            Text(mail["reason_text"]),
        )
    out = Console(width=None if sys.stdout.isatty() else 150)
    out.print(table)
    out.print(
        f"Sent twice by one door: {RETRIED}; stored once.\n"
        f"Sent by two doors: {TWO_DOORS}; one mail with two arrivals."
    )
    out.print(
        Text(f"Handed over: “{given['subject']}” now lies with Jan: {given['unread_because']}.")
    )
