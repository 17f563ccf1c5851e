"""`maild inspect FILE…`: what maild reads from mails and would decide, storing nothing (E3)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.options import WrongUsageError

if TYPE_CHECKING:
    from maild.core.inspect import Asked, WhatIf


def inspect(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Mails; - is stdin.")],
    rcpt: Annotated[
        str | None, typer.Option(metavar="ADDR", help="The inbox that it would come to.")
    ] = None,
    mail_from: Annotated[
        str | None, typer.Option(metavar="ADDR", help="The envelope's sender.")
    ] = None,
    peer: Annotated[str | None, typer.Option(metavar="IP", help="Who would bring it.")] = None,
    proven: Annotated[
        bool, typer.Option("--proven", help="Say what happens if the sender is proven.")
    ] = False,
) -> None:
    """Read mails and say what would become of them; nothing is stored."""
    from maild.core.inspect import Asked
    from maild.faces.cli.reading import documents, in_words, read_files
    from maild.parse.pool import ReaderPool

    cli = of(ctx)
    if peer is not None:
        _require_ip(peer)
    asked = Asked(rcpt=rcpt, mail_from=mail_from, peer=peer, proven=proven)
    what_if = _what_if(cli, asked)
    failed = 0
    with ReaderPool(min(os.cpu_count() or 1, len(files))) as pool:
        for file, found in documents(read_files(files, pool), what_if):
            failed += file.error is not None
            if cli.json:
                print(json.dumps(found))
            else:
                print("\n".join(in_words(found)))
    if failed:
        cli.say(f"{failed} of {len(files)} files could not be opened.")
        cli.exit = 1


def _require_ip(text: str) -> None:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        raise WrongUsageError("--peer must be an IP address, such as 192.0.2.1.") from None


def _what_if(cli: Context, asked: Asked) -> WhatIf | None:
    """Return who answers what would be decided; None where there is no configuration.

    Without any question of its own, a store that does not answer keeps nobody from reading.
    """
    from maild.config import ConfigError
    from maild.core.faults import fault_of
    from maild.core.inspect import Asked, WhatIf

    is_asked = asked != Asked()
    try:
        cli.config_path  # noqa: B018 - it raises
    except ConfigError:
        if is_asked:
            cli.say("There is no configuration, so nothing is said of what would be decided.")
        return None
    try:
        return WhatIf(cli.app, cli.account_slug, asked)
    except Exception as error:
        fault = fault_of(error)
        if is_asked or cli.account_slug is not None or fault is None:
            raise
        cli.say(f"Nothing is said of what would be decided: {fault.message}")
        return None
