"""What an admin reads about another server's trouble: a sentence for each, naming the field that it is about (D8)."""

from __future__ import annotations

from maild.core.remote import Trouble
from maild.store.sources import SourceRow

_SENTENCES = {
    Trouble.NO_SUCH_HOST: "host: there is no server by the name of {host}; look for a typing error.",
    Trouble.FORBIDDEN_ADDRESS: (
        "host: {host} has a private address; name its network in [sources] allow_networks if that is meant."
    ),
    Trouble.NOT_REACHED: "host, port: nobody answers at {host}:{port}; is the port right, is the server up?",
    Trouble.TLS_FAILED: "tls: no safe line to {host}:{port} came about; is tls = {tls} right, and the certificate?",
    Trouble.NOT_THIS_PROTOCOL: "port: what answers at {host}:{port} does not speak {kind}.",
    Trouble.NO_SECRET: "secret: the secret of {name} is not to be had; `maild source set {name}` takes a new one.",
    Trouble.REFUSED_LOGIN: "username, password: {host} refuses {username}; check both, or make an app password.",
    Trouble.LOGIN_LATER: "{host} lets {username} in later only; maild tries again by itself.",
    Trouble.SIGN_IN_AGAIN: "The right to read {username} has ended: run `maild source authorize {name}`.",
    Trouble.NO_SUCH_FOLDER: "folder: {username} has no folder {folder} at {host}.",
    Trouble.NOT_ALLOWED: "{username} may sign in at {host}, but not read {folder}; an admin there must allow it.",
    Trouble.QUOTA: "The mailbox of {username} at {host} is over its quota; somebody must make room.",
    Trouble.TIMED_OUT: "{host} did not answer in time; maild tries again by itself.",
    Trouble.LINE_LOST: "The line to {host} broke; maild tries again by itself.",
    Trouble.BROKEN_PROTOCOL: "{host} gave an answer that {kind} does not know; tell its operator.",
    Trouble.REFUSED_ACT: "after: {host} refuses what is to happen after storing ({after}); is the folder there?",
    Trouble.NO_DATES: "since: {host} has no TOP, and so no dates of mails that are not fetched; choose all or none.",
    Trouble.NO_NAMES: (
        "after: {host} has neither UIDL nor TOP, so that nothing tells its mails apart; it can only be emptied: "
        "after=delete with since=all. Or try IMAP."
    ),
    Trouble.BUSY: "{host} is busy; maild tries again by itself.",
}


def sentence(source: SourceRow, trouble: str, said: str | None) -> str:
    """Return what went wrong, what to do, and the server's own words."""
    text = _SENTENCES[Trouble(trouble)].format(
        host=source.host,
        port=source.port,
        tls=source.tls.value,
        kind=source.kind.value.upper(),
        username=source.username,
        name=source.name,
        folder=source.folder or "INBOX",
        after=source.after,
    )
    return f"{text} The server said: {said}" if said else text
