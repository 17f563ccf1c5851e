"""`maild deliver`: the pipe door's command.  Its exit status is its answer: 0, 75, 65, 67 or 64, and no other (D2).

An MTA bounces what is not 0 or 75, so whatever is our own fault, the configuration too, is 75.  Parsed by hand: an
address may begin with a dash, and the start must be quick.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from maild import failpoint
from maild.model.reason import EX_DATAERR, EX_OK, EX_TEMPFAIL, EX_USAGE

if TYPE_CHECKING:
    from maild.model.reason import Answer
    from maild.settings import Settings

USAGE = "maild deliver --recipient ADDR… [--sender ADDR] [--config FILE] [--json] < message"
DEFAULT_MAX = 35 * 1024 * 1024
"""Octets of a mail where no listener says more."""
SENDER_MAX = 1000
"""Characters of an envelope sender that are kept (RFC 5321 4.5.3.1.3 allows 256 octets)."""


class UsageError(Exception):
    """The command line is wrong; the message says what and how it is right."""


@dataclass(slots=True)
class Call:
    """What the command line says."""

    recipients: list[str] = field(default_factory=list)
    sender: str = ""
    config: Path | None = None
    as_json: bool = False
    wants_help: bool = False


def parse(arguments: Sequence[str]) -> Call:
    """Read the command line after `deliver`.  Raises UsageError."""
    call = Call()
    rest = list(arguments)
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        given = [value] if equals else rest
        match option:
            case "--recipient" | "-r":
                _take_recipients(call, given, alone=bool(equals))
            case "--sender" | "-f":
                call.sender = _take(option, given)
            case "--config":
                call.config = Path(_take_raw(option, given))
            case "--account":
                _take(option, given)
            case "--json":
                call.as_json = True
            case "--help" | "-h":
                call.wants_help = True
            case "-q" | "-v" | "--quiet" | "--verbose":
                pass
            case _:
                raise UsageError(f"{_clean(option)!r} is not an option of it")
    if not call.recipients and not call.wants_help:
        raise UsageError("--recipient is missing")
    return call


def _take_raw(option: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"{option} needs a value")
    return rest.pop(0)


def _take(option: str, rest: list[str]) -> str:
    return _clean(_take_raw(option, rest))


def _take_recipients(call: Call, rest: list[str], *, alone: bool) -> None:
    """Take all that follows up to the next option: an MTA puts several recipients behind one word."""
    if not rest:
        raise UsageError("--recipient needs an address")
    call.recipients.append(_clean(rest.pop(0)))
    while rest and not alone and not rest[0].startswith("--"):
        call.recipients.append(_clean(rest.pop(0)))


def _clean(argument: str) -> str:
    """Return an argument that can be stored and printed: its octets may be no text at all."""
    text = os.fsencode(argument).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def main(arguments: Sequence[str]) -> int:
    """Deliver the mail on stdin; return the exit status.  Never raises."""
    return _end_with(_run(arguments))


def _run(arguments: Sequence[str]) -> int:
    try:
        call = parse(arguments)
    except UsageError as error:
        _say(f"{error}; use it as: {USAGE}")
        return EX_USAGE
    if call.wants_help:
        print(f"Usage: {USAGE}\n\nStores one mail.  Exit status: 0, 75 (try again), 65, 67, 64.")
        return EX_OK
    if sys.stdin is None:
        # Closed: the next file that is opened would become descriptor 0 and be read as the mail.
        _say("there is no mail: stdin is closed")
        return EX_DATAERR
    try:
        return _deliver(call)
    except KeyboardInterrupt:
        _say("interrupted; nothing was stored")
    except Exception as error:  # noqa: BLE001 - the outermost fence: a fault of ours must not bounce a mail
        with suppress(
            Exception
        ):  # Without memory or descriptors there may not even be words for it.
            _say(_in_words(error))
    return EX_TEMPFAIL


def _deliver(call: Call) -> int:
    from maild.config import find_config, load
    from maild.core.app import open_app
    from maild.core.direct import DirectIntake
    from maild.daemon.arming import arm_failpoints
    from maild.doors.pipe import Piped, exit_status, take

    _quiet_logs()
    settings = load(find_config(call.config, os.environ), os.environ)
    arm_failpoints(settings, os.environ)
    app = open_app(settings)
    try:
        said = Piped(
            sender=call.sender.removeprefix("<").removesuffix(">")[:SENDER_MAX],
            recipients=tuple(dict.fromkeys(call.recipients)),
            at=app.clock(),
            max_size=_max_size(settings),
        )
        with open(0, "rb", buffering=0, closefd=False) as stdin:
            answers = take(DirectIntake(app, settings.store.reserve), stdin, said)
    finally:
        app.store.close()
    failpoint.reached("pipe.before_exit")
    status = exit_status(answers)
    _tell(call, said.recipients, answers, status)
    return status


def _max_size(settings: Settings) -> int:
    return max((listener.max_size for listener in settings.listener), default=DEFAULT_MAX)


def _tell(call: Call, recipients: Sequence[str], answers: Sequence[Answer], status: int) -> None:
    if status == EX_OK:
        if call.as_json:
            stored = [
                {"recipient": recipient, "id": answer.facts["ref"]}
                for recipient, answer in zip(recipients, answers, strict=True)
            ]
            print(json.dumps({"deliveries": stored}))
        return
    refused = [answer for answer in answers if not answer.is_accepted]
    for answer in refused:
        _say(f"{answer.reason.code}: {answer.reason.say(**answer.facts)}")
    if call.as_json:
        first = refused[0]
        message = first.reason.say(**first.facts)
        print(json.dumps({"error": {"code": first.reason.code, "message": message, "actions": []}}))


def _say(sentence: str) -> None:
    """Tell whoever called: an MTA puts it into its log or its bounce."""
    text = "".join(char if char.isprintable() else " " for char in f"maild deliver: {sentence}")
    # Nobody may listen, or the disk of his log is full: that is no reason to bounce a mail.
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _end_with(status: int) -> int:
    """Return the status, or end with it at once: Python makes 120 of what it cannot flush at its end."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        os._exit(status)
    return status


def _in_words(error: Exception) -> str:
    from maild.core.faults import fault_of

    fault = fault_of(error)
    if fault is not None:
        words = " ".join(fault.message.split())
    elif isinstance(error, OSError):
        words = " ".join(str(error).split())
    else:
        words = _place_of(error)
    return f"not stored, try again later: {words}"


def _place_of(error: BaseException) -> str:
    """Name an unforeseen fault and its place, never its text: what we say may end up in a bounce."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _quiet_logs() -> None:
    """Let faults be told in one line: a traceback is no answer to an MTA."""
    import logging

    def one_line(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            record.msg, record.args = f"{record.getMessage()} ({_place_of(record.exc_info[1])})", ()
            record.exc_info = None
        return True

    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(logging.Formatter("maild deliver: %(message)s"))
    output.addFilter(one_line)
    logging.getLogger().handlers[:] = [output]
