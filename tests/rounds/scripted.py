"""The servers that misbehave, of both protocols, as something that a whole round of collecting can be sent to.

It must never help the round: a script serves its mails, and says afterwards what it still has.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from maild.model.source import SourceKind, TlsMode
from maild.testing import imap_scripts, scripted_imap, scripted_pop
from maild.testing.issuer import Fault, Issuer
from maild.testing.pop_server import Peer as GoodPeer, PopServer
from maild.testing.scripted_imap import MAILS, ScriptedImap

POP_MAILS: Sequence[bytes] = [
    b"Message-ID: <%d@pop.example>\r\nSubject: %d\r\n\r\ntext %d\r\n.dot\r\n" % (n, n, n)
    for n in range(1, 4)
]
BY_TOKEN = frozenset({"xoauth2", "xoauth2-one-line", "repeats-the-token"})
"""POP scripts that take a token."""
FLOODS = frozenset(
    {
        *("imap greets without end", "imap line of 20 MB", "imap endless SEARCH"),
        *("imap endless SEARCH lines", "imap endless untagged lines", "imap endless lists"),
        *("imap huge literal", "imap endless literals", "imap piece larger than asked"),
        *("imap literal while idling", "imap burst of 50000 lines", "pop capa-endless"),
        *("pop noop-endless-line", "pop list-endless", "pop uidl-endless"),
        *("pop uidl-endless-line", "pop retr-no-end", "pop retr-no-line-end"),
        *("pop retr-20mb-line", "pop top-whole", "pop speaks-noise"),
    }
)
"""Scripts that send more than anybody should keep."""


class Server(Protocol):
    """What both kinds of servers are."""

    port: int

    def start(self) -> object: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Case:
    """A script."""

    kind: SourceKind
    script: str

    @property
    def name(self) -> str:
        return f"{self.kind.value} {self.script}"

    @property
    def floods(self) -> bool:
        return self.name in FLOODS

    @property
    def takes_token(self) -> bool:
        if self.kind is SourceKind.POP:
            return self.script in BY_TOKEN
        return imap_scripts.SCRIPTS[self.script].signs_in_with == "token"

    @property
    def username(self) -> str:
        return scripted_imap.NAME if self.kind is SourceKind.IMAP else scripted_pop.NAME

    @property
    def secret(self) -> str:
        """The password or the token."""
        if self.kind is SourceKind.POP:
            return scripted_pop.SECRET
        return scripted_imap.TOKEN if self.takes_token else scripted_imap.SECRET

    @property
    def after(self) -> str:
        """What is to happen after storing: what takes most from the server, or what the script is about."""
        if self.kind is SourceKind.IMAP and imap_scripts.SCRIPTS[self.script].step == "move":
            return "move:Done"
        return "delete"

    @property
    def since(self) -> str:
        """A date from before all mails, so that headers are asked for; POP needs TOP for that."""
        is_bare = self.kind is SourceKind.POP and self.script in {"no-top", "no-capa-uidl-top"}
        return "all" if is_bare else "2020-01-01"

    @property
    def must_fail(self) -> bool:
        """Whether a round that goes well would be wrong."""
        if self.kind is SourceKind.POP:
            return self.script.startswith(("wrong-", "speaks-", "tls-", "in-use", "retr-no-"))
        return imap_scripts.SCRIPTS[self.script].brings is not None

    def mails(self) -> Sequence[bytes]:
        return list(self._by_uid().values()) if self.kind is SourceKind.IMAP else POP_MAILS

    def _by_uid(self) -> Mapping[int, bytes]:
        """One mail is fetched in pieces, where the script is about them."""
        if "PART" in imap_scripts.SCRIPTS[self.script].on:
            return {**MAILS, 9: scripted_imap.mail(9, b"0123456789abcde\n" * 75_000)}
        return MAILS

    def serve(self) -> ScriptedServer:
        """Return a server that follows the script; start it."""
        if self.kind is SourceKind.IMAP:
            return ScriptedServer(ScriptedImap(self.script, self._by_uid()))
        return ScriptedServer(scripted_pop.scripted(self.script, POP_MAILS))

    def secrets(self) -> list[str]:
        """What must not be shown, in every form in which it goes over the line."""
        plain = f"\0{self.username}\0{self.secret}".encode()
        bearer = f"user={self.username}\1auth=Bearer {self.secret}\1\1".encode()
        return [self.secret, *(base64.b64encode(one).decode()[-24:] for one in (plain, bearer))]


@dataclass(slots=True)
class ScriptedServer:
    """A server of either kind."""

    inner: ScriptedImap | PopServer

    @property
    def port(self) -> int:
        return self.inner.port

    @property
    def tls(self) -> TlsMode:
        return (
            self.inner.script.tls if isinstance(self.inner, ScriptedImap) else self.inner.peer.tls
        )

    @property
    def ca_file(self) -> str:
        return self.inner.endpoint().ca_file

    def start(self) -> None:
        self.inner.start()

    def stop(self) -> None:
        self.inner.stop()

    def left(self) -> list[bytes]:
        """The mails that it still has, in the folder or moved."""
        if isinstance(self.inner, ScriptedImap):
            return [*self.inner.mails.values(), *self.inner.moved.values()]
        return [mail.octets for mail in self.inner.mails]

    @property
    def may_not(self) -> list[str]:
        """Acts that no client may ever do."""
        return self.inner.may_not if isinstance(self.inner, ScriptedImap) else []

    def heal(self) -> bool:
        """Behave from now on; False where TLS stands in the way and it takes another server."""
        if self.tls is not TlsMode.NONE:
            return False
        if isinstance(self.inner, ScriptedImap):
            is_token = self.inner.script.signs_in_with == "token"
            self.inner.script = imap_scripts.SCRIPTS["good by token" if is_token else "good"]
        else:
            is_token = any(self.inner.peer is scripted_pop.SCRIPTS[name] for name in BY_TOKEN)
            self.inner.peer = scripted_pop.SCRIPTS["xoauth2"] if is_token else GoodPeer
        return True

    def healthy_twin(self) -> ScriptedServer:
        """Another server that behaves, with the mails that are left here."""
        if isinstance(self.inner, ScriptedImap):
            made = ScriptedImap("good", self.inner.mails)
            made.moved = self.inner.moved
            return ScriptedServer(made)
        twin = PopServer(GoodPeer)
        twin.mails = self.inner.mails
        return ScriptedServer(twin)


def issuer_of(token: str) -> Issuer:
    """Return a token service that gives this one token, some times; start it."""
    body = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600})
    return Issuer(faults=deque([Fault(status=200, body=body)] * 9))


def _cases(kind: SourceKind, scripts: Mapping[str, object]) -> list[Case]:
    return [Case(kind, script) for script in scripts]


CASES = {
    case.name: case
    for case in (
        *_cases(SourceKind.IMAP, imap_scripts.SCRIPTS),
        *_cases(SourceKind.POP, scripted_pop.SCRIPTS),
    )
}
