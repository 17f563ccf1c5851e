"""From a file and the environment to Settings: every fault as `file:line: key: sentence`, all of them at once.

No value of the file, the environment or the file system may lead to a traceback.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from maild.config.environment import path_of, settings_among, unknown_variable, value_for
from maild.config.fields import field_at, fields_of, is_table
from maild.config.problem import ConfigError, cause, printable
from maild.config.sentences import sentence_for
from maild.config.zone import zone_of
from maild.model.address import InvalidAddressError, canonical_domain
from maild.model.toml_lines import KeyPath, key_lines
from maild.model.written import shown
from maild.settings import Settings

SYSTEM_CONFIG = Path("/etc/maild/maild.toml")
FILE_NAME = "maild.toml"
FILE_MAX = 2**20


def find_config(option: Path | None, env: Mapping[str, str]) -> Path | None:
    """Return the file that counts: --config, MAILD_CONFIG, ./maild.toml, /etc/maild/maild.toml; None without any.

    A file that somebody named is returned even if it is not there, so that `load` can say so.
    """
    if option is not None:
        return option
    if named := env.get("MAILD_CONFIG"):
        return Path(named)
    return next((path for path in (Path(FILE_NAME), SYSTEM_CONFIG) if _exists(path)), None)


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """Read the file and what MAILD_SECTION__KEY says on top of it; without a file, the defaults.

    Relative paths start at the file's folder.  Raises ConfigError with every fault at once.
    """
    settings = _settings(path, env)
    zone_of(settings.digest.timezone)
    return settings


def _settings(path: Path | None, env: Mapping[str, str]) -> Settings:
    if path is None:
        return _Loading(name="settings", folder=Path.cwd()).settings(env)
    text = _read(path)
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100  # resolve() would follow a link out of the folder
    loading = _Loading(name=printable(path), folder=folder)
    loading.read(text)
    return loading.settings(env)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True


def _read(path: Path) -> str:
    name = printable(path)
    try:
        if path.is_dir():
            raise ConfigError([f"{name}: is a folder; name the file in it, as {name}/{FILE_NAME}"])
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError([f"{name}: is not an ordinary file"])
        with path.open("rb") as file:
            raw = file.read(FILE_MAX + 1)
    except FileNotFoundError:
        raise ConfigError([f"{name}: there is no such file; `maild init` writes one"]) from None
    except PermissionError:
        who = f"user id {os.geteuid()}"
        raise ConfigError([f"{name}: may not be read by this user ({who})"]) from None
    except (OSError, ValueError) as error:
        raise ConfigError([f"{name}: cannot be read: {cause(error)}"]) from None
    if len(raw) > FILE_MAX:
        raise ConfigError([f"{name}: is larger than 1 MiB, which no configuration is"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{name}:{line}: is not UTF-8 text; save the file as UTF-8"]) from None


@dataclass(slots=True, kw_only=True)
class _Loading:
    """One file on its way to Settings."""

    name: str
    folder: Path
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    variables: dict[KeyPath, str] = field(default_factory=dict)
    """Which variable of the environment set a key."""
    problems: list[tuple[int, str]] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Take the file in.  Raises ConfigError where it is not TOML."""
        try:
            self.data = tomllib.loads(text)
        except RecursionError:
            raise ConfigError([f"{self.name}: is nested too deeply to be read"]) from None
        except ValueError as error:
            raise ConfigError([f"{self.name}{_syntax(str(error), text)}"]) from None
        self.lines = key_lines(text.replace("\r\n", "\n"))

    def settings(self, env: Mapping[str, str]) -> Settings:
        """Put the environment on top and check everything.  Raises ConfigError."""
        for variable in settings_among(env):
            self._override(variable, env[variable])
        settings = self._checked()
        if settings is None or self.problems:
            raise ConfigError(text for _, text in sorted(self.problems))
        return settings

    def _checked(self) -> Settings | None:
        context = {"folder": self.folder, "hostname": _own_hostname()}
        try:
            return Settings.model_validate(self.data, context=context)
        except ValidationError as error:
            for found in error.errors(include_url=False):
                self._say(found["loc"], sentence_for(dict(found)))
            return None

    def _say(self, path: KeyPath, sentence: str) -> None:
        prefixes = [path[:length] for length in range(len(path), 0, -1)]
        variable = next(
            (self.variables[prefix] for prefix in prefixes if prefix in self.variables), None
        )
        if variable is not None:
            self.problems.append((0, f"{variable}: {sentence}"))
            return
        line = next((self.lines[prefix] for prefix in prefixes if prefix in self.lines), 0)
        place = f"{self.name}:{line}" if line else self.name
        key = ".".join(shown(part)[1:-1] for part in path)
        self.problems.append(
            (line, f"{place}: {key}: {sentence}" if key else f"{place}: {sentence}")
        )

    def _override(self, variable: str, value: str) -> None:
        path = path_of(variable)
        leaf = field_at(path)
        if leaf is None:
            self.problems.append((0, unknown_variable(variable)))
            return
        if is_table(leaf):
            first = next(iter(fields_of(leaf)), "").upper()
            self.problems.append(
                (
                    0,
                    f"{printable(variable)}: is a table; set one of its keys, as {variable}__{first}",
                )
            )
            return
        self._put(path, value_for(value, leaf), variable)

    def _put(self, path: KeyPath, value: object, variable: str) -> None:
        place: Any = self.data
        for part, following in itertools.pairwise(path):
            if isinstance(part, int):
                if not isinstance(place, list) or part > len(place):
                    count = len(place) if isinstance(place, list) else 0
                    self.problems.append(
                        (0, f"{variable}: the next number that can be used is {count}")
                    )
                    return
                if part == len(place):
                    place.append({})
                place = place[part]
            elif isinstance(place, dict):
                place = place.setdefault(part, [{}] if isinstance(following, int) else {})
        if isinstance(place, dict):
            place[path[-1]] = value
            self.variables[path] = variable


def _own_hostname() -> str:
    try:
        return canonical_domain(socket.gethostname())
    except InvalidAddressError:
        return "localhost"


def _syntax(message: str, text: str) -> str:
    """Turn tomllib's message into place and sentence."""
    match = re.fullmatch(
        r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)",
        message,
        re.DOTALL,
    )
    what = match["what"] if match else message
    line = match["line"] if match and match["line"] else str(text.count("\n") + 1)
    place = f":{line}" if match else ""
    clean = "".join(char if char.isprintable() else "�" for char in what[:200])
    return f"{place}: is not TOML: {clean[:1].lower()}{clean[1:]}"
