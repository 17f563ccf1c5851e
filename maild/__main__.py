"""The command line's entry: the face's commands, and those that a face may not know."""

from __future__ import annotations

import os
import sys

from maild.faces.cli.main import COMMANDS, Command, run

_BESIDE_THE_FACE = {
    "check": Command("maild.daemon.check", "look over configuration, database and ports"),
    "deliver": Command(
        "maild.daemon.command_deliver:main",
        "take in one mail from stdin (the pipe door)",
        is_raw=True,
    ),
    "serve": Command("maild.daemon.command", "run the daemon"),
    "demo": Command("maild.demo.command", "a throw-away installation with sample mail"),
}


def main() -> None:
    """Run the command line of this process and end with its status."""
    os.umask(0o077)  # Mail and keys are the daemon's user's alone.
    sys.exit(run(sys.argv[1:], {**_BESIDE_THE_FACE, **COMMANDS}))


if __name__ == "__main__":
    main()
