"""`maild demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.group import plain

app = plain("A throw-away installation with sample mail.")


@app.command()
def demo(
    ctx: typer.Context,
    port_base: Annotated[
        int | None,
        typer.Option(min=1024, max=65500, help="First of the ports to listen on; else free ones."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when every mail is where it belongs.")
    ] = False,
) -> None:
    """Send sample mail through real doors and print where each mail went and why.

    Offline, in a temporary folder.  Exit 0 when every mail has the outcome that the demo expects.
    """
    from maild.core.faults import Fault, FaultError
    from maild.demo import DemoError, run
    from maild.testing.installation import InstallationError

    try:
        of(ctx).exit = run(port_base=port_base, once=once)
    except (DemoError, InstallationError) as error:
        raise FaultError(Fault("DEMO_FAILED", 1, str(error))) from error
