"""Reading a secret from where the settings say it is; it is never told in an error."""

from __future__ import annotations

import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from maild.config.problem import ConfigError, cause, printable
from maild.model.written import shown
from maild.settings import SecretSource

SECRET_MAX = 64 * 1024
SECRET_TIMEOUT_S = 10.0


def read_secret(source: SecretSource, what: str, env: Mapping[str, str]) -> str:
    """Return the secret, less a newline at its end.  Raises ConfigError, which never tells the secret."""
    if source.command:
        secret = _secret_of_command(source.command, what)
    elif source.credential:
        folder = env.get("CREDENTIALS_DIRECTORY")
        if not folder or "/" in source.credential:
            sentence = f"systemd hands over no credential {shown(source.credential)}"
            raise ConfigError([f"{what}: {sentence}; see LoadCredential= in systemd.exec(5)"])
        secret = _secret_of_file(Path(folder) / source.credential, what)
    elif source.file:
        secret = _secret_of_file(source.file, what)
    else:
        raise ConfigError([f"{what}: is not set"])
    if not secret:
        raise ConfigError([f"{what}: is empty"])
    return secret


def _secret_of_file(path: Path, what: str) -> str:
    try:
        if not stat.S_ISREG((status := path.stat()).st_mode):
            raise ConfigError([f"{what}: {printable(path)} is not an ordinary file"])
        if status.st_mode & stat.S_IROTH:
            remedy = f"chmod 600 {printable(path)}"
            raise ConfigError([f"{what}: {printable(path)} can be read by everybody; {remedy}"])
        with path.open("rb") as file:
            return _decoded(file.read(SECRET_MAX + 1), what)
    except FileNotFoundError:
        raise ConfigError([f"{what}: there is no file {printable(path)}"]) from None
    except (OSError, ValueError) as error:
        raise ConfigError([f"{what}: {printable(path)} cannot be read: {cause(error)}"]) from None


def _secret_of_command(command: tuple[str, ...], what: str) -> str:
    try:
        status, said = _ran(command)
    except subprocess.TimeoutExpired:
        late = f"gave no answer in {SECRET_TIMEOUT_S:.0f} s"
        raise ConfigError([f"{what}: {shown(command[0])} {late}"]) from None
    except (OSError, ValueError) as error:
        raise ConfigError([f"{what}: {shown(command[0])} did not run: {cause(error)}"]) from None
    if status and len(said) <= SECRET_MAX:
        raise ConfigError([f"{what}: {shown(command[0])} failed with status {status}"])
    return _decoded(said, what)


def _ran(command: tuple[str, ...]) -> tuple[int, bytes]:
    """Return its status and what it said: no more than one octet above what a secret may have, then it is killed."""
    ends_at = time.monotonic() + SECRET_TIMEOUT_S
    child = subprocess.Popen(  # noqa: S603  # the operator's own command; no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    said = b""
    with child, selectors.DefaultSelector() as waiting:
        try:
            if child.stdout is not None:
                waiting.register(child.stdout, selectors.EVENT_READ)
                while len(said) <= SECRET_MAX:
                    if not waiting.select(max(0.0, ends_at - time.monotonic())):
                        raise subprocess.TimeoutExpired(command, SECRET_TIMEOUT_S)
                    piece = os.read(child.stdout.fileno(), SECRET_MAX + 1 - len(said))
                    if not piece:
                        child.wait(max(0.0, ends_at - time.monotonic()))
                        break
                    said += piece
        finally:
            if child.poll() is None:
                # With its own children: it stands at the head of a group.
                os.killpg(child.pid, signal.SIGKILL)
    return child.returncode, said


def _decoded(raw: bytes, what: str) -> str:
    if len(raw) > SECRET_MAX:
        raise ConfigError([f"{what}: is larger than {SECRET_MAX // 1024} KiB, which no secret is"])
    try:
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError([f"{what}: is not UTF-8 text"]) from None
