"""How a command module begins."""

from __future__ import annotations

import typer


def group(about: str) -> typer.Typer:
    """Return a group of commands, `maild NAME VERB …`; it stays a group when it has one command only."""
    app = plain(about)
    app.info.no_args_is_help = True

    @app.callback(help=about)
    def begin() -> None: ...

    return app


def plain(about: str) -> typer.Typer:
    """Return a home for one command, `maild NAME …`."""
    return typer.Typer(
        help=about,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def changes_of(pairs: list[str]) -> dict[str, str]:
    """Read KEY=VALUE…; each key once.  Raises WrongUsageError."""
    from maild.faces.cli.options import WrongUsageError
    from maild.faces.cli.output import printable

    changes: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise WrongUsageError(f"“{printable(pair[:60])}” is not KEY=VALUE.")
        if key in changes:
            raise WrongUsageError(f"The key {printable(key[:60])} stands twice.")
        changes[key] = value
    return changes
