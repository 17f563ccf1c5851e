"""`maild serve`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.group import plain
from maild.faces.cli.options import WrongUsageError

app = plain("Run the daemon: doors and workers, until SIGTERM.")


@app.command()
def serve(
    ctx: typer.Context,
    only: Annotated[
        str | None,
        typer.Option(
            help="Run these roles alone, of: doors, workers, pollers, web.", metavar="ROLE,…"
        ),
    ] = None,
    beneath: Annotated[
        str, typer.Option(hidden=True, help="Started by the doors, which hold stdin.")
    ] = "",
) -> None:
    """Run the daemon in the foreground; SIGTERM ends it in good order, a second one at once."""
    from maild.config import ConfigError
    from maild.core.faults import Fault, FaultError
    from maild.daemon.arming import arm_failpoints
    from maild.daemon.listeners import ListenerError
    from maild.daemon.locks import RoleTakenError
    from maild.daemon.logs import set_up
    from maild.daemon.plan import ROLES, Plan
    from maild.daemon.serve import serve as run
    from maild.doors.smtp.sockets import ListenError
    from maild.model.reason import EX_TEMPFAIL

    roles = tuple(dict.fromkeys(only.split(","))) if only is not None else ROLES
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise WrongUsageError(
            f"--only: there is no role “{unknown[0]}” in this version; there are: {', '.join(ROLES)}."
        )
    cli = of(ctx)
    settings = cli.settings
    set_up(settings.log.level, settings.log.format)
    arm_failpoints(settings, os.environ)
    try:
        given = [] if cli.config_path is None else ["--config", str(cli.config_path)]
        command = [sys.executable, "-m", "maild", "serve", *given]
        run(settings, Plan((beneath,) if beneath else roles, command, beneath))
    except ListenerError as error:
        raise ConfigError([str(error)]) from error
    except ListenError as error:
        raise FaultError(Fault("CANNOT_LISTEN", 1, str(error))) from error
    except RoleTakenError as error:
        raise FaultError(Fault("ALREADY_RUNNING", EX_TEMPFAIL, str(error))) from error
