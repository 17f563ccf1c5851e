"""The command line's entry: the face's commands, and those that a face may not know."""

from __future__ import annotations

import os
import sys

from maild.faces.cli.main import COMMANDS, Command, run

_BESIDE_THE_FACE = {
    "check": Command("maild.daemon.check", "look over configuration, database and ports"),
    "serve": Command("maild.daemon.command:serve", "run the daemon"),
    "demo": Command("maild.demo.command:demo", "a throw-away installation with sample mail"),
}


def main() -> None:
    """Run the command line of this process and end with its status."""
    os.umask(0o077)  # Mail and keys are the daemon's user's alone.
    if sys.argv[1:2] == ["deliver"]:  # Its statuses are sysexits, and it must start quickly.
        from maild.faces.cli.deliver import main as deliver

        sys.exit(deliver(sys.argv[2:]))
    sys.exit(run(sys.argv[1:], {**_BESIDE_THE_FACE, **COMMANDS}))


if __name__ == "__main__":
    main()
