"""`maild source …`: mailboxes of other servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import changes_of, group
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import fields, table
from maild.model.plain_text import so_many
from maild.model.source import SignIn, SourceKind, TlsMode

if TYPE_CHECKING:
    from maild.core.source_views import SourceView
    from maild.core.sources import Sealed

app = group("Mailboxes of other servers that maild collects from.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The source's name.")]
_OAUTH = ("google", "microsoft", "refresh")


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    name: Name,
    kind: Annotated[SourceKind, typer.Option(help="The protocol.")],
    host: Annotated[str, typer.Option(metavar="H")],
    username: Annotated[str, typer.Option(metavar="U")],
    inbox: Annotated[
        str | None, typer.Option(metavar="ADDR", help="The inbox that its mail goes to.")
    ] = None,
    central: Annotated[
        bool, typer.Option("--central", help="It collects for many: each mail tells for whom.")
    ] = False,
    recipient_header: Annotated[
        str | None, typer.Option(metavar="FIELD", help="The one field that tells for whom.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    tls: Annotated[TlsMode, typer.Option()] = TlsMode.IMPLICIT,
    ca_file: Annotated[
        str, typer.Option(metavar="FILE", help="Certificates to trust instead of the system's.")
    ] = "",
    password_file: Annotated[str | None, typer.Option(metavar="F")] = None,
    password_command: Annotated[str | None, typer.Option(metavar="C")] = None,
    password_credential: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    keep_reference: Annotated[
        bool,
        typer.Option(
            "--by-reference",
            help="Read the file at each sign-in, instead of sealing what it holds.",
        ),
    ] = False,
    oauth: Annotated[str | None, typer.Option(metavar="google|microsoft|refresh")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Of the sign-in: client_id, tenant, subject, …"),
    ] = None,
    folder: Annotated[str, typer.Option(metavar="F", help="INBOX if left out.")] = "",
    after: Annotated[str, typer.Option(metavar="keep|delete|delete:14d|seen|move:FOLDER")] = "keep",
    since: Annotated[
        str | None, typer.Option(metavar="all|none|DATE", help="Without it the source waits.")
    ] = None,
    every: Annotated[str, typer.Option(metavar="60s")] = "60s",
) -> None:
    """Connect a mailbox.  Nothing is fetched before `since` is chosen; `maild source test` tells the counts."""
    from maild.core.sources import NewSource, add_source

    cli = of(ctx)
    given = _sign_in(
        password_file, password_command, password_credential, oauth, keep_reference=keep_reference
    )
    new = NewSource(
        name=name,
        kind=kind,
        host=host,
        username=username,
        inbox=inbox,
        is_central=central,
        recipient_header=recipient_header,
        port=port,
        tls=tls,
        ca_file=ca_file,
        sign_in=given.sign_in,
        options={**changes_of(option or []), **given.options},
        sealed=None if given.path is None else _sealed(cli, given.path),
        folder=folder,
        after=after,
        since=since,
        every=every,
    )
    source = add_source(cli.app, new, account=cli.account_slug, by=cli.by)
    text = f"Source {source.name} is there and is polled every {source.every_s} s."
    if source.since is None:
        text = (
            f"Source {source.name} is there and waits. See `maild source test {source.name}`, then choose: "
            f"`maild source set {source.name} since=all`, `since=none` or `since=2026-11-20`."
        )
    cli.emit(source, text)


class _Given:
    """What the options say of the sign-in."""

    def __init__(self, sign_in: SignIn, options: dict[str, str], path: str | None) -> None:
        self.sign_in = sign_in
        self.options = options
        self.path = path
        """A file whose content is sealed."""


def _sign_in(
    file: str | None,
    command: str | None,
    credential: str | None,
    oauth: str | None,
    *,
    keep_reference: bool,
) -> _Given:
    ways = [way for way in (file, command, credential) if way is not None]
    if len(ways) > 1:
        raise WrongUsageError("name the secret once: by file, by command or by credential")
    if oauth is not None:
        if oauth not in _OAUTH:
            raise WrongUsageError(f"--oauth: it is one of {', '.join(_OAUTH)}")
        if command is not None or credential is not None:
            raise WrongUsageError("--oauth: its secret comes by --password-file, and is sealed")
        return _Given(SignIn(oauth), {}, file)
    if command is not None:
        return _Given(SignIn.COMMAND, {"ref": command}, None)
    if credential is not None:
        return _Given(SignIn.CREDENTIAL, {"ref": credential}, None)
    if file is None:
        raise WrongUsageError(
            "say how to sign in: --password-file F, --password-command C or --oauth …"
        )
    if keep_reference:
        from pathlib import Path

        return _Given(SignIn.FILE, {"ref": str(Path(file).absolute())}, None)
    return _Given(SignIn.PASSWORD, {}, file)


def _sealed(cli: Context, path: str) -> Sealed:
    """Return what seals the content of a file for what it is bound to.  Raises FaultError."""
    import os
    from pathlib import Path

    from maild.core.faults import Fault, FaultError
    from maild.core.seal import read_sealing_key, seal
    from maild.core.source_secrets import SecretRef, SecretUnavailableError, read_reference
    from maild.model.reason import EX_FAILED

    try:
        secret = read_reference(SecretRef(SignIn.FILE, str(Path(path).absolute())), os.environ)
    except SecretUnavailableError as error:
        raise FaultError(Fault("NO_SECRET", EX_FAILED, f"--password-file: {error}")) from None
    key = read_sealing_key(cli.settings.secret_key, os.environ)
    return lambda bound_to: seal(key, secret, bound_to)


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the sources of an account, and how each goes."""
    from maild.core.sources import list_sources

    cli = of(ctx)
    sources = list_sources(cli.app, account=cli.account_slug, by=cli.by)
    rows = [
        (
            one.name,
            one.kind,
            f"{one.username} at {one.host}",
            one.inbox,
            " ".join((one.state, *one.conditions)),
            one.last_ok_at,
            one.backlog,
        )
        for one in sources
    ]
    cli.emit(
        sources, table(("NAME", "KIND", "MAILBOX", "INBOX", "STATE", "LAST OK", "BACKLOG"), rows)
    )
    for one in sources:
        if one.trouble_text is not None:
            cli.say(f"{one.name}: {one.trouble_text}")


@app.command("show")
def show(ctx: typer.Context, name: Name) -> None:
    """Show a source: what was set, how it goes, when it is tried next."""
    from maild.core.sources import show_source

    cli = of(ctx)
    _tell(cli, show_source(cli.app, name, account=cli.account_slug, by=cli.by))


def _tell(cli: Context, one: SourceView) -> None:
    pairs: list[tuple[str, object]] = [
        ("Name", one.name),
        (
            "Mailbox",
            f"{one.folder} of {one.username} at {one.host}:{one.port} ({one.kind}, TLS {one.tls})",
        ),
        (
            "Inbox",
            f"{one.inbox}, for mail that tells no recipient" if one.is_central else one.inbox,
        ),
        ("Sign-in", one.sign_in),
        ("After", one.after),
        ("Since", one.since or "not chosen yet"),
        ("Every", f"{one.every_s} s"),
        ("State", " ".join((one.state, *one.conditions))),
        ("Trouble", one.trouble_text),
        ("Last success", one.last_ok_at),
        ("Next try", one.next_try_at),
        ("Backlog", one.backlog),
        (
            "In the ledger",
            ", ".join(f"{n} {state}" for state, n in sorted(one.copies.items())) or "nothing",
        ),
        (
            "Held",
            None
            if one.held is None
            else f"everything is numbered anew, and of {one.held['listed']} mails only {one.held['matched']} are known: "
            f"`maild source poll {one.name} --same-mailbox` goes on if it is the same mailbox",
        ),
    ]
    cli.emit(one, fields([(label, value) for label, value in pairs if value is not None]))


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    changes: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE…")] = None,
    password_file: Annotated[str | None, typer.Option(metavar="F", help="A new secret.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before mails are deleted.")
    ] = False,
) -> None:
    """Change a source.  What deletes says first how many mails will go."""
    from maild.core.sources import set_source

    cli = of(ctx)
    wanted = changes_of(changes or [])
    sealed = None if password_file is None else _sealed(cli, password_file)
    plan = set_source(
        cli.app, name, wanted, sealed=sealed, is_agreed=False, account=cli.account_slug, by=cli.by
    )
    if plan.will_go and not yes:
        raise WrongUsageError(
            f"{so_many(plan.will_go)} that are stored here will be deleted from the server; say --yes if that is meant"
        )
    done = set_source(cli.app, name, wanted, sealed=sealed, account=cli.account_slug, by=cli.by)
    cli.emit(
        done.source, f"Source {done.source.name} is changed; its state is {done.source.state}."
    )
    if plan.will_go:
        cli.say(f"{so_many(plan.will_go)} will be deleted from the server.")
    if done.needs_secret:
        cli.say(
            f"Its secret was for the server and user of before and is void: `maild source set {name} --password-file F`."
        )


@app.command("pause")
def pause(ctx: typer.Context, name: Name) -> None:
    """Stop polling a source until it is resumed."""
    from maild.core.sources import pause_source

    cli = of(ctx)
    source = pause_source(cli.app, name, account=cli.account_slug, by=cli.by)
    cli.emit(source, f"Source {source.name} is paused.")


@app.command("resume")
def resume(ctx: typer.Context, name: Name) -> None:
    """Poll a source again."""
    from maild.core.sources import resume_source

    cli = of(ctx)
    source = resume_source(cli.app, name, account=cli.account_slug, by=cli.by)
    cli.emit(source, f"Source {source.name} is polled again.")


@app.command("test")
def test(ctx: typer.Context, name: Name) -> None:
    """Go to the server step by step; nothing is fetched."""
    from maild.daemon.visits import visit_test

    visit_test(of(ctx), name)


@app.command("poll")
def poll(
    ctx: typer.Context,
    name: Name,
    same_mailbox: Annotated[
        bool,
        typer.Option("--same-mailbox", help="After a renumbering: it is the same mailbox, go on."),
    ] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="Try mails again that failed too often.")
    ] = False,
) -> None:
    """Do one round now, and show how far it is."""
    from maild.daemon.visits import visit_poll

    visit_poll(of(ctx), name, may_renumber=same_mailbox, with_failed=failed)


@app.command("prove")
def prove(ctx: typer.Context, name: Name) -> None:
    """Hold the server's list against the ledger; exit 1 when a stored mail would be fetched again."""
    from maild.daemon.visits import visit_prove

    visit_prove(of(ctx), name)


@app.command("authorize")
def authorize(ctx: typer.Context, name: Name) -> None:
    """Sign in to Microsoft by device code, once."""
    from maild.daemon.visits import visit_authorize

    visit_authorize(of(ctx), name)
