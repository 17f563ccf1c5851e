"""`maild digest …`: what the daily digest would say, and having it sent where no daemon does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import group
from maild.faces.cli.output import printable

if TYPE_CHECKING:
    from datetime import tzinfo

app = group(
    "The daily digest: when it goes, each account says (`maild account set SLUG digest=07:00`)."
)


@app.command("preview")
def preview(ctx: typer.Context) -> None:
    """Show the digests of an account as they would go now; nothing is sent."""
    from maild.core.digest import preview_digests

    cli = of(ctx)
    found = preview_digests(cli.app, _zone(cli), account=cli.account_slug, by=cli.by)
    lines = [
        f"To: {printable(one.to)}\nSubject: {printable(one.subject)}\n\n"
        + "\n".join(map(printable, one.text.splitlines()))
        for one in found
    ]
    cli.emit(found, "\n\n".join(lines) or "No mail waits for anybody who would get a digest.")


@app.command("send")
def send(ctx: typer.Context) -> None:
    """Queue the digests whose hour has come today, as the daemon does twice a minute; never one twice."""
    from maild.core.digest import send_digests
    from maild.core.standing import require_operator

    cli = of(ctx)
    require_operator(cli.by)
    count = send_digests(cli.app, _zone(cli))
    cli.emit({"queued": count}, f"Queued: {count} digest{'' if count == 1 else 's'}.")


def _zone(cli: Context) -> tzinfo:
    from maild.config.zone import zone_of

    return zone_of(cli.settings.digest.timezone)
