"""What a command works with: settings, the opened installation, who acts, and how to answer.

Everything is opened on first use, so that a command which needs no database never waits for one.
"""

from __future__ import annotations

import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maild.faces.cli.options import Options
from maild.faces.cli.output import as_json, printable

if TYPE_CHECKING:
    import typer

    from maild.core.app import Actor, App
    from maild.settings import Settings


class Context:
    """One run of the command line; `of(ctx)` finds it in a command."""

    def __init__(self, options: Options) -> None:
        """Keep the common options."""
        self.options = options
        self.exit = 0
        """The status to end with; a command that goes on after a refusal sets it to 1."""

    @property
    def json(self) -> bool:
        """Whether a machine reads the answer."""
        return self.options.json

    @property
    def quiet(self) -> bool:
        """Whether nothing but errors is to be said."""
        return self.options.quiet

    @property
    def account_slug(self) -> str | None:
        """The account that was named, if one was."""
        return self.options.account

    @cached_property
    def config_path(self) -> Path | None:
        """The file that counts; None where there is none and the environment says it all.  Raises ConfigError."""
        from maild.config import FILE_NAME, SYSTEM_CONFIG, ConfigError, find_config

        option = None if self.options.config is None else Path(self.options.config)
        path = find_config(option, os.environ)
        if path is None and "MAILD_DATABASE" not in os.environ:
            nowhere = f"there is no ./{FILE_NAME} and no {SYSTEM_CONFIG}"
            raise ConfigError(
                [f"{nowhere}; `maild init DIR` writes one, or name it: --config FILE"]
            )
        return path

    @property
    def is_configured(self) -> bool:
        """Whether there is a configuration at all: named, in its place, or in the environment."""
        from maild.config import find_config

        if self.options.config is not None or "MAILD_DATABASE" in os.environ:
            return True
        return find_config(None, os.environ) is not None

    @cached_property
    def settings(self) -> Settings:
        """The configuration.  Raises ConfigError."""
        from maild.config import load

        return load(self.config_path, os.environ)

    @cached_property
    def app(self) -> App:
        """The opened installation.  Raises ConfigError, SchemaError, DurabilityError, StoreDownError."""
        from maild.core.app import open_app

        return open_app(self.settings)

    @cached_property
    def by(self) -> Actor:
        """Who acts: the user of --by, else the operator.  Raises RefusedError."""
        from maild.core.app import OPERATOR
        from maild.core.standing import actor_for

        return OPERATOR if self.options.by is None else actor_for(self.app, self.options.by)

    @cached_property
    def account_id(self) -> int:
        """The inner id of the account that is meant.  Raises RefusedError."""
        from maild.core.accounts import account_id_of

        return account_id_of(self.app, self.account_slug, by=self.by)

    def emit(self, value: Any, text: str | None = None) -> None:
        """Print the answer to stdout: the value for machines, the text for people; without a text always the value."""
        print(as_json(value) if self.json or text is None else text)

    def say(self, text: str) -> None:
        """Talk, on stderr; silent with --quiet."""
        if not self.quiet:
            print("\n".join(map(printable, text.split("\n"))), file=sys.stderr)

    def close(self) -> None:
        """Close what was opened."""
        if "app" in self.__dict__:
            self.app.store.close()


def of(ctx: typer.Context) -> Context:
    """Return the run that a command belongs to."""
    found = ctx.find_object(Context)
    assert found is not None  # noqa: S101 - `main.run` hands it in
    return found
