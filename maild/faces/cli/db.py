"""`maild db …`."""

from __future__ import annotations

import typer

from maild.faces.cli.context import of
from maild.faces.cli.group import group

app = group("The schema of the database.")


@app.command("upgrade")
def upgrade(ctx: typer.Context) -> None:
    """Create the schema, or bring it to this version's; safe to repeat."""
    from maild.core.app import upgrade_schema

    cli = of(ctx)
    state = upgrade_schema(cli.settings)
    cli.emit(state, f"The schema is at {state.current}, as this version needs.")


@app.command("status")
def status(ctx: typer.Context) -> None:
    """Say which schema the database has; exit 1 when it is not this version's."""
    from maild.core.app import schema_state

    cli = of(ctx)
    state = schema_state(cli.settings)
    if state.up_to_date:
        text = f"The schema is at {state.current}, as this version needs."
    else:
        text = f"The schema is at {state.current or 'none'}; this version needs {state.needed}: run `maild db upgrade`."
        cli.exit = 1
    cli.emit(state, text)


@app.command("reindex")
def reindex(ctx: typer.Context) -> None:
    """Have search index every mail anew, the newest first; the workers do it, and mail goes on."""
    from maild.core.indexing import reindex as index_anew

    cli = of(ctx)
    mails = index_anew(cli.app, by=cli.by)
    cli.emit(
        {"mails": mails}, f"{mails} mails are to be indexed; `maild check` says how many wait."
    )
