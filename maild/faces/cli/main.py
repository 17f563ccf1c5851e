"""The frame of the command line: which command, what it may raise, and how it ends.  Never a traceback.

A command lives in a module of its own, as `app = group(…)` or `app = plain(…)` (see `group.py`), or as a function; to
add one, add a line to COMMANDS.  Modules are imported when their command runs, so that `maild --help` is quick.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maild import __version__
from maild.faces.cli.context import Context
from maild.faces.cli.options import HELP, Options, WrongUsageError, take_options, wants_json
from maild.faces.cli.output import as_json, printable

if TYPE_CHECKING:
    from maild.core.faults import Fault

WRONG_USAGE = 2
INTERRUPTED = 130
"""By SIGINT, as shells report it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of them: where it is, and one line for the help."""

    place: str
    """module:name, of a typer.Typer or of a function that becomes the one command; without a name it is `app`."""
    about: str
    is_raw: bool = False
    """It takes its own arguments to the exit status, and reads the common options itself; it must come first."""

    def load(self) -> Any:
        """Import it."""
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(module), name or "app")

    @property
    def is_there(self) -> bool:
        """Whether this version has it.  Looks for the file; nothing is imported."""
        module = self.place.partition(":")[0]
        path = Path(__file__).parents[3].joinpath(*module.split("."))
        return path.with_suffix(".py").exists() or path.joinpath("__init__.py").exists()


COMMANDS: dict[str, Command] = {
    "init": Command("maild.faces.cli.init", "write a first configuration and create the schema"),
    "doctor": Command("maild.faces.cli.doctor", "check every invariant of the stored data"),
    "account": Command("maild.faces.cli.account", "tenant companies"),
    "user": Command("maild.faces.cli.user", "people, their logins, communal users"),
    "address": Command("maild.faces.cli.address", "further addresses of users"),
    "login": Command("maild.faces.cli.login", "how people sign in: sessions, links, second steps"),
    "token": Command("maild.faces.cli.token", "secrets for programs: the API, mail programs"),
    "drop": Command("maild.faces.cli.drop", "members' secret addresses"),
    "member": Command("maild.faces.cli.member", "who is in an account, and invitations"),
    "inbox": Command("maild.faces.cli.inbox", "the addresses that maild answers for"),
    "client": Command("maild.faces.cli.client", "whom mail is about"),
    "status": Command("maild.faces.cli.status", "how far the work on a mail can have come"),
    "profile": Command("maild.faces.cli.profile", "saved searches"),
    "template": Command("maild.faces.cli.template", "texts to answer with"),
    "rule": Command("maild.faces.cli.rule", "whose a mail is, by what it looks like"),
    "mail": Command("maild.faces.cli.mail:commands", "list, show, hand over, file"),
    "explain": Command("maild.faces.cli.explain:explain", "why a mail went where it is"),
    "inspect": Command(
        "maild.faces.cli.inspect:inspect", "what maild reads from a file; stores nothing"
    ),
    "backup": Command("maild.faces.cli.backup:backup", "copy an installation, whole"),
    "restore": Command("maild.faces.cli.backup:restore", "put a backup in place, and check it"),
    "export": Command(
        "maild.faces.cli.export:export_mails", "everything that one client or user has"
    ),
    "erase": Command("maild.faces.cli.erase:erase_mails", "take mail out for good"),
    "digest": Command("maild.faces.cli.digest", "the daily mail on what waits, by account"),
    "outbox": Command("maild.faces.cli.outbox", "what is to be sent, and how far it has come"),
    "db": Command("maild.faces.cli.db", "the schema of the database"),
}
"""Those of this face.  `maild.__main__` adds `serve`, `deliver`, `check` and `demo`, which a face may not know."""

PLANNED = frozenset(
    [
        "profile",
        "status",
    ]
)
"""Those of the interface that later versions bring."""


def run(argv: Sequence[str], commands: Mapping[str, Command]) -> int:
    """Run one command line; return its exit status.  Closes whatever it opened."""
    _make_streams_safe()
    if argv and argv[0] in commands and commands[argv[0]].is_raw:
        return int(commands[argv[0]].load()(list(argv[1:])))
    try:
        options = take_options(argv)
    except WrongUsageError as error:
        return _tell_usage(str(error), as_document=wants_json(argv))
    cli = Context(options)
    try:
        return _dispatch(cli, commands)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last guard: an operator reads a sentence
        return _tell(error, options)
    finally:
        cli.close()


def _dispatch(cli: Context, commands: Mapping[str, Command]) -> int:
    there = {name: command for name, command in commands.items() if command.is_there}
    rest = cli.options.rest
    if not rest or rest[0] in {"--help", "-h", "help"}:
        print(_help(there), file=sys.stdout if rest else sys.stderr)
        return 0 if rest else WRONG_USAGE
    if rest[0] == "--version":
        cli.emit({"version": __version__}, f"maild {__version__}")
        return 0
    name = rest[0]
    if name not in there:
        raise WrongUsageError(_unknown(name, there, planned=name in commands or name in PLANNED))
    if there[name].is_raw:
        raise WrongUsageError(f"`maild {name}` comes first, and its options behind it.")
    return _run_command(cli, name, there[name], rest[1:])


def _help(commands: Mapping[str, Command]) -> str:
    listed = "\n".join(f"  {name:9} {command.about}" for name, command in commands.items())
    return (
        f"Usage: maild COMMAND …    (maild COMMAND --help tells more)\n\n{listed}\n\n{HELP}\n\n"
        "Exit status: 0 done; 1 refused; 2 wrong usage; 75 try again later; 78 configuration."
    )


def _unknown(name: str, commands: Mapping[str, Command], *, planned: bool) -> str:
    if planned:
        return f"`maild {name}` is not part of this version yet."
    near = difflib.get_close_matches(name[:50], list(commands), n=1)
    meant = f" Did you mean `maild {near[0]}`?" if near else " `maild --help` lists them."
    return f"There is no command “{printable(name[:50])}”.{meant}"


def _run_command(cli: Context, name: str, command: Command, words: list[str]) -> int:
    import typer
    from typer.main import get_command

    from maild.faces.cli.group import plain

    # UsageError; typer hands out only what derives from it, and has moved it between versions.
    wrong_usage: Any = typer.BadParameter.__mro__[1]
    app = command.load()
    if not isinstance(app, typer.Typer):
        app, function = plain(command.about), app
        app.command()(function)
    runner: Any = get_command(app)
    try:
        ended = runner.main(args=words, prog_name=f"maild {name}", standalone_mode=False, obj=cli)
    except wrong_usage as error:
        raise WrongUsageError(_usage_sentence(error)) from None
    except typer.Abort:
        return INTERRUPTED
    sys.stdout.flush()
    return ended if isinstance(ended, int) and ended else cli.exit


def _usage_sentence(error: Any) -> str:
    """Return what the parser says, with where to read on."""
    said = str(error.format_message()).strip() or "The command line is incomplete."
    path = error.ctx.command_path if error.ctx is not None else "maild"
    if "\n" in said:  # A group without a command: its help.
        return said
    return f"{said} See `{path} --help`."


def _tell_usage(message: str, *, as_document: bool) -> int:
    from maild.core.faults import Fault

    _say_fault(Fault("USAGE", WRONG_USAGE, message), as_document=as_document)
    return WRONG_USAGE


def _tell(error: Exception | KeyboardInterrupt, options: Options) -> int:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, WrongUsageError):
        return _tell_usage(str(error), as_document=options.json)
    from maild.core.faults import fault_of

    fault = fault_of(error)
    if fault is None:
        fault = _unforeseen(error, options)
    holder = getattr(error, "facts", {}).get("holder")
    _say_fault(fault, as_document=options.json, holder=holder)
    return fault.exit


def _unforeseen(error: Exception, options: Options) -> Fault:
    from maild.core.faults import Fault
    from maild.model.clock import new_ulid
    from maild.model.reason import EX_TEMPFAIL, Reason

    ref = new_ulid()
    if options.verbose:
        import traceback

        traceback.print_exception(error)
    kind = type(error).__name__
    message = f"{Reason.INTERNAL_ERROR.say(ref=ref)}: {kind}. With -v it tells where."
    return Fault(Reason.INTERNAL_ERROR.code, EX_TEMPFAIL, message)


def _say_fault(fault: Fault, *, as_document: bool, holder: Any = None) -> None:
    if as_document:
        told = {
            "code": fault.code,
            "message": fault.message,
            "actions": [way.phrase for way in fault.ways],
            "ways": fault.ways,
        }
        if holder is not None:
            told["holder"] = holder
        print(as_json({"error": told}), flush=True)
        return
    lines = [*fault.message.split("\n"), *(f"  - {way.phrase}" for way in fault.ways)]
    with contextlib.suppress(OSError):
        print("\n".join(map(printable, lines)), file=sys.stderr, flush=True)


def _make_streams_safe() -> None:
    """Whatever is printed can be printed, in any locale."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
