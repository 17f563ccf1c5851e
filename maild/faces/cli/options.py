"""The options that every command takes, wherever they stand on the line.

They are taken out before a command sees its own: `--config`, `--json`, `-q`, `-v`, `--account`, `--by`.  No command
may have an option of such a name, and none may take one as a value; behind `--` everything is the command's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

HELP = """\
Every command also takes, before it or behind it:
  --config FILE   the configuration (else $MAILD_CONFIG, ./maild.toml, /etc/maild/maild.toml)
  --account SLUG  which account, where there are several
  --by EMAIL      record the act in this user's name; without it, it is the operator's
  --json          print JSON for machines
  -q, --quiet     say nothing but errors        -v, --verbose   say more"""

_FLAGS = {
    "--json": "json",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
}
_VALUES = {"--config": "config", "--account": "account", "--by": "by"}


class WrongUsageError(Exception):
    """The command line cannot be understood; exit status 2."""


@dataclass(slots=True)
class Options:
    """What stood on the line for every command."""

    config: str | None = None
    account: str | None = None
    by: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    rest: list[str] = field(default_factory=list)
    """The command and what is its own."""


def take_options(argv: Sequence[str]) -> Options:
    """Take the common options out of the line.  Raises WrongUsageError, for which `wants_json` still answers."""
    options = Options()
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            options.rest += [word, *words]
        elif word in _FLAGS:
            setattr(options, _FLAGS[word], True)
        elif name in _VALUES:
            given = value if equals else next(words, None)
            if given is None:
                raise WrongUsageError(f"{name} needs a value.")
            setattr(options, _VALUES[name], given)
        else:
            options.rest.append(word)
    return options


def wants_json(argv: Sequence[str]) -> bool:
    """Whether an error is to be said in JSON, even when the line cannot be understood."""
    own = list(argv)
    return "--json" in (own[: own.index("--")] if "--" in own else own)
