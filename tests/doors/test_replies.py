"""Every final refusal that the door can say stands in one table here, with what the peer did to deserve it (D2).

What is our own fault must be temporary: a mail bounced by mistake is gone.  So a 5xx that is not in the table fails, and a
row that nobody says any more fails too.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

import maild
from maild.core.raw import Raw, Spool
from maild.doors.smtp import replies
from maild.doors.smtp.session import LmtpSession, Session
from maild.model.envelope import Door, Envelope
from maild.model.reason import Answer, Reason

if TYPE_CHECKING:
    from tests.doors.conftest import Client, OpenDoor, OpenIt

DESERVED = {
    # Lines.
    "500 5.5.2 lines end with CRLF and have no control characters": "RFC 5321 2.3.8: CR and LF stand together only",
    "500 5.5.2 line too long": "twice what RFC 5321 4.5.3.1.4 allows, and it would be cut",
    "500 5.5.2 empty line": "no command has no name",
    "500 5.5.2 not UTF-8": "RFC 6531 3.3 knows ASCII and UTF-8 only",
    # Commands.
    "500 5.5.1 command not recognised": "EHLO named none such",
    "502 5.5.1 EXPN not implemented": "RFC 5321 3.5.1: lists are not shown, and EHLO did not offer it",
    "501 5.5.4 syntax: EHLO hostname": "RFC 5321 4.1.1.1: the name is mandatory",
    "501 5.5.4 syntax: HELO hostname": "RFC 5321 4.1.1.1: the name is mandatory",
    "501 5.5.4 syntax: LHLO hostname": "RFC 2033 4.1: like EHLO",
    "501 5.5.4 syntax: STARTTLS": "RFC 3207 4: it has no parameters",
    "501 5.5.4 Syntax: RSET": "RFC 5321 4.1.1.5: it has no parameters",
    "501 5.5.4 syntax: DATA": "RFC 5321 4.1.1.4: it has no parameters",
    "501 5.5.4 syntax: QUIT": "RFC 5321 4.1.1.10: it has no parameters",
    "501 5.5.4 VRFY what?": "RFC 5321 4.1.1.6: the user is mandatory",
    # Their order.
    "503 5.5.1 Error: send {} first": "RFC 5321 4.1.4: EHLO comes before a mail",
    "503 5.5.1 need MAIL first": "RFC 5321 4.1.4",
    "503 5.5.1 need RCPT first": "RFC 5321 4.1.4; and each RCPT said by itself what was wrong with it",
    "503 5.5.1 there is a sender already; RSET begins anew": "RFC 5321 4.1.4",
    "503 5.5.1 TLS is on already": "RFC 3207 4.2: STARTTLS is not offered within TLS",
    # Their arguments.
    "501 5.5.4 syntax: MAIL FROM:<address> [SIZE=n] [BODY=8BITMIME] [SMTPUTF8]": "RFC 5321 4.1.1.2",
    "501 5.5.4 SMTPUTF8 takes no value": "RFC 6531 3.4",
    "501 5.5.4 BODY is 7BIT or 8BITMIME": "RFC 6152 2; BINARYMIME was not offered",
    "501 5.5.4 SIZE is a number of octets": "RFC 1870 6",
    "501 5.5.4 AUTH is an address or <>": "RFC 4954 5: the parameter has a value",
    "501 5.5.4 syntax: RCPT TO:<address>": "RFC 5321 4.1.1.3",
    "553 5.1.7 that is not a sender's address": "RFC 5321 4.1.2",
    "553 5.1.3 that is not a recipient's address": "RFC 5321 4.1.2",
    "553 5.6.7 an address beyond ASCII needs SMTPUTF8 in MAIL FROM": "RFC 6531 3.5",
    "555 5.5.4 parameter not recognised or not implemented": "RFC 5321 4.1.1.11: EHLO offered no such thing",
    # Signing in.
    "501 5.5.4 syntax: AUTH mechanism": "RFC 4954 4: the mechanism is mandatory",
    "504 5.5.4 the mechanisms are PLAIN and LOGIN": "RFC 4954 4: EHLO named none such",
    "503 5.5.1 need EHLO first": "RFC 4954 4: EHLO is what offers it",
    "503 5.5.1 you are signed in": "RFC 4954 4: once in a connection",
    "503 5.5.1 not within a mail; RSET begins anew": "RFC 4954 4",
    "538 5.7.11 signing in needs TLS: STARTTLS first": "RFC 4954 6: it was not offered in clear",
    "501 5.7.0 signing in was cancelled": "RFC 4954 4: the peer said *",
    "501 5.5.2 that is not what the mechanism asks for": "RFC 4954 4, RFC 4616 2: base64 of what was asked",
    "535 5.7.8 The user name or the password is not right.": "U10; whoever guesses hears no more",
    "535 5.7.8 Your email address was changed; sign up again by the link that was mailed to the new one.": "U11: "
    "trying again changes nothing, and the password was right",
    "534 5.7.9 This login has a second step; mail programs sign in with a token instead of the password.": "RFC 4954 "
    "6: the password alone is too weak",
    # Mails and recipients.
    "550 5.1.1 no mailbox here by the name of {address}": "RFC 5321 3.3; a store that is down says 451 instead",
    "550 5.1.6 {address} has been replaced; its owner knows the new one": "U7: its owner replaced it, for good",
    "550 5.7.1 {inbox} takes mail of its own users only; {address} is none": "unknown_policy = refuse, which an admin "
    "chose; a user's own address, even an unconfirmed one, is never told so",
    "553 5.1.3 {address} is not a mail address": "RFC 5321 4.1.2",
    "552 5.3.4 the mail has {size} octets; the limit is {limit}": "RFC 1870 6: EHLO announced the limit",
    "550 5.6.0 bare CR, LF or NUL in the mail; lines end with CRLF": "RFC 5321 2.3.8; from no peer but an SMTP client",
    "554 5.6.0 the mail is empty": "RFC 5322 3.6: it lacks its mandatory fields, and there is nothing to keep",
}

_FINAL = re.compile(r"5[0-9][0-9][ -]")
_PACKAGE = Path(maild.__file__).parent


def _sentences(tree: ast.AST) -> Iterator[str]:
    """Yield the final replies in a piece of code, with {} for what is filled in."""
    parts: set[ast.AST] = set()
    for node in ast.walk(tree):
        text: object = None
        if isinstance(node, ast.JoinedStr):
            parts |= set(node.values)
            pieces = (
                part.value if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
            text = "".join(map(str, pieces))
        elif isinstance(node, ast.Constant) and node not in parts:
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
        if isinstance(text, str) and _FINAL.match(text):
            yield text


def _written_by_us() -> set[str]:
    """Final replies in the door, and wherever it gets answers from."""
    folders = ("doors/smtp", "core", "daemon", "model", "store")
    files = [path for folder in folders for path in (_PACKAGE / folder).rglob("*.py")]
    assert len(files) > 30
    return {text for path in files for text in _sentences(ast.parse(path.read_text()))}


def _in_the_table_of_reasons() -> set[str]:
    rows = [reason.value for reason in Reason if reason.value.smtp >= 500]
    return {f"{row.smtp} {row.enhanced} {row.sentence}" for row in rows}


def _inherited(kind: type[Session]) -> set[str]:
    """Final replies of the library's own, in whatever of it a session of this kind can get to."""
    todo = {f"smtp_{command}" for command in kind.COMMANDS}
    todo |= {
        "connection_made",
        "connection_lost",
        "eof_received",
        "data_received",
        "_handle_client",
    }
    seen: set[str] = set()
    found: set[str] = set()
    while todo:
        name = todo.pop()
        seen.add(name)
        for function in _definitions(kind, name):
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
            todo |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} - seen
            if function.__module__.startswith("aiosmtpd"):
                found |= {replies.enhanced(text) for text in _sentences(tree)}
    return found


def _definitions(kind: type[Session], name: str) -> Iterator[FunctionType]:
    """Yield the method of that name, and those above it for as long as they call each other by `super()`."""
    for cls in kind.__mro__:
        function = inspect.unwrap(cls.__dict__[name]) if name in cls.__dict__ else None
        if isinstance(function, FunctionType):
            yield function
            if f"super().{name}(" not in inspect.getsource(function):
                return


def test_D2_every_final_reply_is_the_peers_own_fault() -> None:
    said = _written_by_us() | _in_the_table_of_reasons()
    said |= _inherited(Session) | _inherited(LmtpSession)
    assert said - DESERVED.keys() == set(), "a 5xx without a reason: say why it is the peer's fault"
    assert DESERVED.keys() - said == set(), "nobody says this any more"
    assert all(DESERVED.values())


def test_the_search_finds_what_the_library_says() -> None:
    assert "503 5.5.1 Error: send {} first" in _inherited(Session)
    assert not any("Error: (" in text for text in _inherited(Session))


def test_no_other_word_of_the_door_is_final() -> None:
    codes = [
        value
        for name, value in vars(replies).items()
        if name.isupper() and isinstance(value, str) and not value.startswith("5")
    ]
    assert len(codes) > 10
    assert all(re.match(r"4[0-9][0-9] 4\.", value) for value in codes)


# -- faults of ours --------------------------------------------------------------------------------------------------

SECRET = "postgresql://maild:secret@db/maild"
PLACES = [
    "room at MAIL",
    "recipient",
    "room at DATA",
    "spool",
    "write",
    "finish",
    "accept",
    "answers",
]
FAULTS = [
    RuntimeError(SECRET),
    OSError(5, SECRET),
    ConnectionRefusedError(SECRET),
    KeyError(SECRET),
]


class BrokenSpool(Spool):
    """One that fails where it is told to."""

    def __init__(self, folder: Path, where: str, fault: Exception) -> None:
        super().__init__(folder, 1000)
        self._where, self._fault = where, fault

    @override
    def write(self, piece: bytes, *, is_crlf: bool = False) -> None:
        if self._where == "write":
            raise self._fault
        super().write(piece, is_crlf=is_crlf)

    @override
    def finish(self) -> Raw:
        if self._where == "finish":
            self.abandon()
            raise self._fault
        return super().finish()


def _break(door: OpenDoor, where: str, fault: Exception) -> None:
    """Make the inside fail at that place from now on."""

    def fail(*_: object) -> Any:
        raise fault

    async def fail_later(*_: object) -> Any:
        raise fault

    inside: Any = door.intake
    match where:
        case "room at MAIL" | "room at DATA":
            inside.room = fail
        case "recipient":
            inside.recipient = fail_later
        case "spool":
            inside.make_spool = fail
        case "write" | "finish":
            inside.make_spool = lambda: BrokenSpool(inside.folder, where, fault)
        case "accept":
            inside.answer = fail
        case _:
            inside.accept = _one_answer_too_few


async def _one_answer_too_few(envelope: Envelope, raw: Raw) -> list[Answer]:
    raw.discard()
    return [Answer(Reason.ACCEPTED)] * (len(envelope.recipients) - 1)


def _talk(client: Client, hello: str, before_data: Callable[[], None]) -> list[str]:
    """Try to bring a mail whose lines are commands, too; return all that was said from MAIL on."""
    client.ask(hello)
    said = [client.ask("MAIL FROM:<a@b.example>"), client.ask("RCPT TO:<info@acme.example>")]
    before_data()
    said.append(client.ask("DATA"))
    if said[-1].startswith("354"):
        said.append(client.send(b"RSET\r\n" * 2000 + b".\r\n").reply())
    return [*said, client.ask("NOOP")]


@pytest.mark.parametrize("kind", [Door.SMTP, Door.LMTP])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("where", PLACES)
def test_D2_a_fault_of_ours_is_temporary_and_says_nothing_of_itself(
    open_door: OpenIt,
    kind: Door,
    fault: Exception,
    where: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = open_door(kind)
    hello = "LHLO me" if kind is Door.LMTP else "EHLO me"

    def break_it() -> None:
        _break(door, where, fault)

    if where in {"room at MAIL", "recipient"}:
        break_it()
        said = _talk(door.client(), hello, lambda: None)
    else:
        said = _talk(door.client(), hello, break_it)
    assert said[-1] == "250 2.0.0 OK", "the session is in step"
    refused = [
        reply for reply in said if reply[0] in "45" and not reply.startswith("503 5.5.1 need")
    ]
    assert len(refused) == 1
    assert re.fullmatch(r"451 4\.3\.0 A fault in maild \([0-9a-f]{8}\)", refused[0])
    assert not door.intake.kept
    assert not any("secret" in reply for reply in said)
