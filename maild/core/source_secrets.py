"""Secrets of sources by reference: a file, a command or a systemd credential, read anew when it is needed (D7).

What a command or a file says is never told in an error: it may hold the secret.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maild.config.problem import ConfigError
from maild.config.secret import read_secret
from maild.model.source import SignIn
from maild.settings import SecretSource

REFERENCES = frozenset({SignIn.FILE, SignIn.COMMAND, SignIn.CREDENTIAL})


class SecretUnavailableError(Exception):
    """A secret could not be read; its text is a sentence for the admin."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a source's secret is."""

    kind: SignIn
    """FILE, COMMAND or CREDENTIAL."""
    value: str
    """A path, a command as one would type it (no shell runs it), or a credential's name."""


def read_reference(ref: SecretRef, env: Mapping[str, str]) -> str:
    """Return the secret, less a newline at its end.  Blocks.  Raises SecretUnavailableError."""
    sentences: tuple[str, ...] = ()
    try:
        return read_secret(_place(ref), ref.kind.value, env)
    except ConfigError as error:
        sentences = error.problems
    except ValueError as error:
        sentences = (f"{ref.kind.value}: {error}",)
    raise SecretUnavailableError("; ".join(sentences))


def _place(ref: SecretRef) -> SecretSource:
    match ref.kind:
        case SignIn.FILE:
            if not Path(ref.value).is_absolute():
                raise ValueError("the path must begin with /")
            return SecretSource(file=Path(ref.value), command=(), credential="")
        case SignIn.COMMAND:
            return SecretSource(file=None, command=_words(ref.value), credential="")
        case SignIn.CREDENTIAL:
            return SecretSource(file=None, command=(), credential=ref.value)
        case _:
            raise ValueError("is no reference to a secret")


def _words(command: str) -> tuple[str, ...]:
    words: tuple[str, ...] = ()
    try:
        words = tuple(shlex.split(command))
    except ValueError:
        raise ValueError("the command has a quotation mark without its other") from None
    if not words:
        raise ValueError("there is no command")
    return words
