"""The first maild.toml, short and commented, for `maild init`."""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from maild.config.loading import FILE_NAME
from maild.config.problem import ConfigError, cause, printable
from maild.config.sentences import sentence_for
from maild.model import written
from maild.settings import Settings


def write_initial(
    folder: Path,
    *,
    database: str | None = None,
    smtp: str | None = None,
    lmtp: str | None = None,
    web: str | None = None,
    domain: str | None = None,
) -> Path:
    """Write a short file to start from, for `maild init`, and return its path.

    Repeating it is refused: an existing file is never touched.  Raises ConfigError.
    """
    path = folder / FILE_NAME
    initial = _Initial(
        database=database or "sqlite:///maild.db",
        smtp=smtp or "127.0.0.1:2525",
        lmtp=_lmtp_bind(lmtp, folder),
        web=web or "127.0.0.1:8025",
        domain=domain or "",
    )
    initial.check(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        there = "exists already and was not touched; edit it, or choose another folder"
        raise ConfigError([f"{printable(path)}: {there}"]) from None
    except (OSError, ValueError) as error:
        raise ConfigError([f"{printable(path)}: cannot be written: {cause(error)}"]) from None
    with os.fdopen(made, "w", encoding="utf-8") as file:
        file.write(initial.text())
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Initial:
    database: str
    smtp: str
    lmtp: str
    web: str
    domain: str

    def check(self, folder: Path) -> None:
        """Raise ConfigError with a sentence for each option that cannot be used."""
        problems = []
        place = Path(os.path.abspath(folder))  # noqa: PTH100
        for option, value, read in (
            ("--database", self.database, lambda text: written.database_url(text, place)),
            ("--smtp", self.smtp, lambda text: written.read_bind(text, place)),
            ("--lmtp", self.lmtp, lambda text: text and written.read_bind(text, place)),
            ("--web", self.web, lambda text: written.read_bind(text, place)),
            ("--domain", self.domain, lambda text: text and written.domain(text)),
        ):
            try:
                read(value)
            except ValueError as error:
                problems.append(f"{option}: {error}")
        if not problems:
            problems = self._clashes(place)
        if problems:
            raise ConfigError(problems)

    def _clashes(self, place: Path) -> list[str]:
        """What no option is wrong about by itself, such as two doors on one address."""
        try:
            Settings.model_validate(tomllib.loads(self.text()), context={"folder": place})
        except ValidationError as error:
            return [sentence_for(dict(found)) for found in error.errors(include_url=False)]
        return []

    def text(self) -> str:
        """Return the file."""
        lmtp = (
            f'\n[[listener]]                 # for an MTA in front, such as Postfix\nprotocol = "lmtp"\nbind = {_quoted(self.lmtp)}\n'
            if self.lmtp
            else ""
        )
        return _FIRST.format(
            database=_quoted(self.database),
            hostname=_quoted(self.domain),
            smtp=_quoted(self.smtp),
            lmtp=lmtp,
            web=_quoted(self.web),
        )


_FIRST = """\
# maild's own configuration.  Relative paths start at this file's folder; `maild check` looks it over.
# Every other key, with its default, is in config/maild.toml of the distribution.

database = {database}
hostname = {hostname}                # banner and EHLO; empty: the machine's own name
secret_key_file = "maild.key"

[store]
bodies = "file:bodies"       # bodies larger than 32 KiB

[[listener]]
protocol = "smtp"
bind = {smtp}
{lmtp}
[web]
bind = {web}
"""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _lmtp_bind(lmtp: str | None, folder: Path) -> str:
    """Return the bind of the LMTP door: a path may come without `unix:`.

    Without a wish it is a socket in the folder, or none where the folder's path is too long for one.
    """
    if lmtp:
        is_path = "/" in lmtp or not re.search(r":[0-9]+\Z", lmtp)
        return f"unix:{lmtp}" if is_path and not lmtp.startswith(("unix:", "fd:")) else lmtp
    try:
        written.read_bind("unix:lmtp.sock", Path(os.path.abspath(folder)))  # noqa: PTH100
    except ValueError:
        return ""
    return "unix:lmtp.sock"
