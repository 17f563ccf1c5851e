"""`maild init`."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.group import plain

app = plain("Write a first configuration and create the schema.")


@app.command()
def init(
    ctx: typer.Context,
    *,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where; the current folder if left out.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="postgresql+psycopg://…; embedded if left out."),
    ] = None,
    smtp: Annotated[str | None, typer.Option(metavar="ADDR:PORT")] = None,
    lmtp: Annotated[str | None, typer.Option(metavar="PATH|ADDR:PORT")] = None,
    web: Annotated[str | None, typer.Option(metavar="ADDR:PORT")] = None,
    domain: Annotated[str | None, typer.Option(metavar="D", help="The name in the banner.")] = None,
) -> None:
    """Write DIR/maild.toml (never over an existing one), a key, and the schema; say what to do next."""
    from maild.config import load, write_initial
    from maild.core.app import upgrade_schema

    cli = of(ctx)
    place = folder or Path()
    path = write_initial(place, database=database, smtp=smtp, lmtp=lmtp, web=web, domain=domain)
    _write_key(place / "maild.key")
    settings = load(path, os.environ)
    state = upgrade_schema(settings)
    cli.emit(
        {"config": str(path), "schema": state.current},
        f"Wrote {path} and created the schema.",
    )
    option = "" if place == Path() else f" --config {path}"
    cli.say(
        "Next:\n"
        f"  maild account add{option} acme 'Acme Ltd'\n"
        f"  maild user add{option} --email eva@acme.example --name 'Eva Moser' --role distributor\n"
        f"  maild inbox add{option} crm@acme.example --kind forward\n"
        f"  maild serve{option}"
    )


def _write_key(path: Path) -> None:
    """Write a fresh key that seals secrets; one that is there stays."""
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(made, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
