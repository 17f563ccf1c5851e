"""`maild export`: everything that one client or one user has, in a folder or a zip file.

It is written beside its place and put there when it is whole: what stands there is complete.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import as_json
from maild.model.plain_text import so_many

if TYPE_CHECKING:
    from maild.core.exporting import Exportable

TELL_EVERY = 1000


class Sink(Protocol):
    """Where the files go."""

    def put(self, name: str, content: bytes | Path) -> None:
        """Write one file whole.  Raises OSError."""

    def add_line(self, line: str) -> None:
        """Write the next line of the list of mails.  Raises OSError."""


class _Files:
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "mails").mkdir()
        self._list = (folder / "mails.jsonl").open("a", encoding="utf-8")

    def put(self, name: str, content: bytes | Path) -> None:
        if isinstance(content, Path):
            shutil.copyfile(content, self._folder / name)
        else:
            (self._folder / name).write_bytes(content)

    def add_line(self, line: str) -> None:
        self._list.write(f"{line}\n")

    def finish(self) -> None:
        self._list.flush()

    def close(self) -> None:
        self._list.close()


class _Zip:
    """A zip file; its list is gathered beside it, because a zip takes one file after the other."""

    def __init__(self, path: Path, beside: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False)
        self._beside = beside
        self._list = beside.open("w", encoding="utf-8")

    def put(self, name: str, content: bytes | Path) -> None:
        if isinstance(content, Path):
            self._zip.write(content, name)
        else:
            self._zip.writestr(name, content)

    def add_line(self, line: str) -> None:
        self._list.write(f"{line}\n")

    def finish(self) -> None:
        self._list.close()
        self._zip.write(self._beside, "mails.jsonl")
        self._zip.close()

    def close(self) -> None:
        self._list.close()
        self._zip.close()


def export_mails(
    ctx: typer.Context,
    *,
    to: Annotated[str, typer.Option(metavar="DIR|FILE.zip", help="Where; not there yet.")],
    client: Annotated[str | None, typer.Option(metavar="ID")] = None,
    user: Annotated[str | None, typer.Option(metavar="EMAIL")] = None,
) -> None:
    """Write everything that one client or one user has: the record, each mail as .eml, and what became of it."""
    from maild.core.exporting import find_to_export

    cli = of(ctx)
    target = Path(to)
    if os.path.lexists(target):
        raise WrongUsageError(f"--to: {to} is there already; name another place.")
    found = find_to_export(cli.app, client=client, user=user, account=cli.account_slug, by=cli.by)
    with _sink(target) as sink:
        count = _write(cli, found, sink)
    cli.emit(
        {"to": str(target), "mails": count, "kind": found.kind, "account": found.account},
        f"{so_many(count)} and the record are in {target}.",
    )


def _write(cli: Context, found: Exportable, sink: Sink) -> int:
    """Write the record and every mail; one that was erased meanwhile is left out."""
    from maild.core.views import explain_mail, raw_mail
    from maild.model.reason import Reason, RefusedError

    for name, record in found.record.items():
        sink.put(f"{name}.json", as_json(record).encode())
    count = 0
    for ulid in found.mails:
        try:
            content = raw_mail(cli.app, ulid, by=cli.by)
            sink.put(f"mails/{ulid}.eml", content)
        except (RefusedError, FileNotFoundError) as error:
            if isinstance(error, RefusedError) and error.reason is not Reason.CONFLICT:
                raise
            continue
        sink.add_line(
            as_json({"file": f"mails/{ulid}.eml", **explain_mail(cli.app, ulid, by=cli.by)})
        )
        count += 1
        if count % TELL_EVERY == 0:
            cli.say(f"{count} of {len(found.mails)} mails")
    return count


@contextlib.contextmanager
def _sink(target: Path) -> Generator[Sink]:
    """Yield where to write; what is whole at the end gets its name, and what is not goes.  Raises FaultError."""
    from maild.core.faults import Fault, FaultError
    from maild.model.reason import EX_FAILED

    is_zip = target.suffix.lower() == ".zip"
    part = target.with_name(f".{target.name}.part")
    beside = target.with_name(f".{target.name}.list")
    try:
        _forget(part, beside)
        if not is_zip:
            part.mkdir()
        sink = _Zip(part, beside) if is_zip else _Files(part)
        with contextlib.closing(sink):
            yield sink
            sink.finish()
        part.rename(target)
    except OSError as error:
        said = f"{error.filename or target} cannot be written: {error.strerror}."
        raise FaultError(Fault("CANNOT_WRITE", EX_FAILED, said)) from None
    finally:
        _forget(part, beside)


def _forget(part: Path, beside: Path) -> None:
    """Take away what an export that was cut off left."""
    beside.unlink(missing_ok=True)
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)
