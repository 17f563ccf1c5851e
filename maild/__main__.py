"""The command line's entry: the face's commands, and those that a face may not know."""

from __future__ import annotations

import os
import sys

_EX_TEMPFAIL = 75
"""As `maild.model.reason` has it; here nothing may be imported that could fail."""


def main() -> None:
    """Run the command line of this process and end with its status."""
    os.umask(0o077)  # Mail and keys are the daemon's user's alone.
    try:
        status = run_here(sys.argv[1:])
    except Exception:
        # Out of descriptors or of memory while it starts: an MTA would bounce the mail for Python's own status.
        if sys.argv[1:2] != ["deliver"]:
            raise
        os._exit(_EX_TEMPFAIL)
    sys.exit(status)


def run_here(arguments: list[str]) -> int:
    """Run a command line in this process; return its exit status."""
    from maild.faces.cli.main import COMMANDS, Command, run

    beside_the_face = {
        "check": Command("maild.daemon.check", "look over configuration, database and ports"),
        "deliver": Command(
            "maild.daemon.command_deliver:main",
            "take in one mail from stdin (the pipe door)",
            is_raw=True,
        ),
        "directory": Command(
            "maild.daemon.command_directory", "the CRM from which an account's clients come"
        ),
        "import": Command(
            "maild.daemon.command_import:import_mail",
            "old mail: mbox, Maildir, folders of .eml",
        ),
        "serve": Command("maild.daemon.command", "run the daemon"),
        "source": Command(
            "maild.daemon.command_source", "mailboxes of other servers that maild collects from"
        ),
        "webhook": Command(
            "maild.daemon.command_webhook", "programs that hear what happens, by signed events"
        ),
        "demo": Command("maild.demo.command", "a throw-away installation with sample mail"),
    }
    return run(arguments, {**beside_the_face, **COMMANDS})


if __name__ == "__main__":
    main()
