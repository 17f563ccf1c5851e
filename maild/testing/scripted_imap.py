"""An IMAP server that misbehaves as its script says: for tests, and for whole rounds of collecting.

    with ScriptedImap("huge literal") as server:
        ... collect from `server.endpoint()` at `server.address`, signed in as NAME with SECRET or TOKEN ...

The scripts, with the trouble that each is to bring and the step at which it shows, are in
`maild.testing.imap_scripts.SCRIPTS`; `brings=None` means that a round goes well in spite of the script.  Without a script it
is a plain good server with four mails (MAILS): three small ones and one of 300,000 octets.  A test can look at `mails` (what
is left), `moved` (what went to another mailbox), `commands` (what was said to it), `sessions`, and `may_not` (acts that no
client may ever do: a bare EXPUNGE, a fetch that marks mails as seen).

It runs in a thread of its own, so that whoever polls it may block.  It must never be reached from elsewhere: loopback only.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from maild.core.remote import Endpoint, Tls, Trouble
from maild.testing.certificates import Certificates

NAME = "ann@acme.example"
SECRET = 'pa"ss\\wörd 123'  # noqa: S105 - nobody's
TOKEN = "ya29.token-of-ann"  # noqa: S105 - nobody's
UIDVALIDITY = 1700000000
CAPABILITIES = b"IMAP4rev1 IDLE UIDPLUS MOVE AUTH=PLAIN AUTH=XOAUTH2"


def mail(number: int, body: bytes = b"hello\r\n", subject: bytes = b"hello") -> bytes:
    """Return a small mail."""
    return (
        b"Message-ID: <%d@acme.example>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\n"
        b"From: Bob <bob@client.example>\r\nTo: info@acme.example\r\nSubject: %s\r\n\r\n%s"
    ) % (number, subject, body)


MAILS: Mapping[int, bytes] = {
    4: mail(4),
    5: mail(5, subject=b"50 * off (until monday"),
    7: mail(7, b"* 1 FETCH (UID 9)\r\n) {99}\r\nA1 OK done\r\n"),
    9: mail(9, b"0123456789abcdef" * 18_750),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How a server misbehaves."""

    brings: Trouble | None = None
    """What the client is to say; None: all goes well."""
    step: str = ""
    """Where: connect, sign_in, select, uids, heads, bodies, move, delete, idle."""
    on: Mapping[str, Act] = field(default_factory=dict)
    """What it does instead of obeying, by command: LOGIN, SEARCH, HEADS, BODY, PART, ..."""
    tls: Tls = Tls.NONE
    certificate: str = "good"
    greeting: bytes = b"* OK ready\r\n"
    capabilities: bytes = CAPABILITIES
    signs_in_with: str = "password"
    """password or token."""


class GoneError(Exception):
    """The line is over."""


class Peer:
    """One session."""

    def __init__(
        self, server: ScriptedImap, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Begin with nobody signed in."""
        self.server, self.script, self.reader, self.writer = server, server.script, reader, writer
        self.capabilities = server.script.capabilities

    async def run(self) -> None:
        """Greet and obey until somebody leaves."""
        await self.act("GREETING", b"", b"")
        while True:
            tag, _, rest = (await self.line()).partition(b" ")
            self.server.commands.append(rest.decode("utf-8", "replace"))
            words = rest.split(b" ", 2)
            name = words[0].upper().decode("ascii", "replace")
            if name == "UID" and len(words) > 1:
                name = words[1].upper().decode("ascii", "replace")
                rest = words[2] if len(words) > 2 else b""
            if name == "FETCH":
                name = _kind_of_fetch(rest)
                if b"BODY[" in rest:
                    self.server.may_not.append(rest.decode())
            elif name == "EXPUNGE" and words[0].upper() != b"UID":
                self.server.may_not.append("a bare EXPUNGE")
            await self.act(name, tag, rest)

    async def act(self, name: str, tag: bytes, rest: bytes) -> None:
        """Do what the script says, or what a good server does."""
        act = self.script.on.get(name)
        if act is not None:
            await act(self, tag, rest)
        else:
            await self.obey(name, tag, rest)

    async def obey(self, name: str, tag: bytes, rest: bytes) -> None:
        """Do what a good server does."""
        good: Callable[[bytes, bytes], Awaitable[None]] | None = getattr(
            self, f"_{name.lower()}", None
        )
        if good is None:
            await self.say(tag + b" BAD what?\r\n")
        else:
            await good(tag, rest)

    async def line(self) -> bytes:
        """Return the next line of the client."""
        line = await self.reader.readline()
        if not line.endswith(b"\r\n"):
            raise GoneError
        return line[:-2]

    async def say(self, octets: bytes) -> None:
        """Send."""
        self.writer.write(octets)
        await self.writer.drain()

    async def more(self) -> bytes:
        """Ask for more."""
        await self.say(b"+ \r\n")
        return await self.line()

    async def begin_tls(self) -> None:
        """Change to TLS."""
        await self.writer.start_tls(self.server.context())

    async def _greeting(self, _tag: bytes, _rest: bytes) -> None:
        await self.say(self.script.greeting)

    async def _noop(self, tag: bytes, _rest: bytes) -> None:
        await self.say(tag + b" OK done\r\n")

    async def _capability(self, tag: bytes, _rest: bytes) -> None:
        await self.say(b"* CAPABILITY %s\r\n%s OK done\r\n" % (self.capabilities, tag))

    async def _starttls(self, tag: bytes, _rest: bytes) -> None:
        await self.say(tag + b" OK begin\r\n")
        await self.begin_tls()
        self.capabilities = CAPABILITIES

    async def _login(self, tag: bytes, rest: bytes) -> None:
        texts: list[bytes] = []
        rest = rest[len(b"LOGIN ") :]
        while rest:
            literal = re.match(rb"\{([0-9]+)\}$", rest)
            if literal is not None:
                await self.say(b"+ go on\r\n")
                texts.append(await self.reader.readexactly(int(literal[1])))
                rest = (await self.line()).lstrip()
            elif quoted := re.match(rb'"((?:[^"\\]|\\.)*)" ?|(?=[^" ])([^ ]+) ?', rest):
                texts.append(re.sub(rb"\\(.)", rb"\1", quoted[1] or quoted[2] or b""))
                rest = rest[quoted.end() :]
            else:
                break
        await self.judge(tag, texts == [NAME.encode(), SECRET.encode()])

    async def _authenticate(self, tag: bytes, rest: bytes) -> None:
        said = base64.b64decode(await self.more())
        if rest.upper().endswith(b"PLAIN"):
            await self.judge(tag, said == f"\0{NAME}\0{SECRET}".encode())
        else:
            await self.judge(tag, said == f"user={NAME}\1auth=Bearer {TOKEN}\1\1".encode())

    async def judge(self, tag: bytes, is_right: bool) -> None:
        """Let somebody in, or not."""
        said = (
            b" OK [CAPABILITY IMAP4rev1] in\r\n"
            if is_right
            else b" NO [AUTHENTICATIONFAILED] no\r\n"
        )
        await self.say(tag + said)

    async def _list(self, tag: bytes, _rest: bytes) -> None:
        await self.say(b'* LIST (\\Trash) "/" "Trash"\r\n' + tag + b" OK done\r\n")

    async def _select(self, tag: bytes, _rest: bytes) -> None:
        await self.say(
            b"* FLAGS (\\Seen \\Deleted)\r\n* %d EXISTS\r\n* 0 RECENT\r\n"
            b"* OK [UIDVALIDITY %d] valid\r\n* OK [UIDNEXT 10] next\r\n%s OK [READ-WRITE] open\r\n"
            % (len(self.server.mails), UIDVALIDITY, tag)
        )

    _examine = _select

    async def _status(self, tag: bytes, _rest: bytes) -> None:
        await self.say(
            b"* STATUS INBOX (MESSAGES %d UIDNEXT 10 UIDVALIDITY %d)\r\n%s OK done\r\n"
            % (len(self.server.mails), UIDVALIDITY, tag)
        )

    async def _search(self, tag: bytes, rest: bytes) -> None:
        uids = b"".join(b" %d" % uid for uid in self.among(rest))
        await self.say(b"* SEARCH%s\r\n%s OK done\r\n" % (uids, tag))

    def among(self, words: bytes) -> list[int]:
        """Return the mails of a set of UIDs; all without a set."""
        found = re.search(rb"(?:^|UID )([0-9][0-9:,*]*)(?:$| )", words)
        if found is None:
            return sorted(self.server.mails)
        ranges = []
        for part in found[1].split(b","):
            low, _, high = part.partition(b":")
            ranges.append((int(low), 2**32 if high == b"*" else int(high or low)))
        return [u for u in sorted(self.server.mails) if any(a <= u <= b for a, b in ranges)]

    async def fetched(self, rest: bytes) -> bytes:
        """Return a good answer to a FETCH."""
        answer = b""
        part = re.search(rb"<([0-9]+)\.([0-9]+)>", rest)
        first, count = (int(part[1]), int(part[2])) if part else (0, 2**32)
        for number, uid in enumerate(self.among(rest), 1):
            octets = self.server.mails[uid]
            answer += (
                b'* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE " 2-Nov-2026 10:00:00 +0000"'
                % (
                    number,
                    uid,
                    len(octets),
                )
            )
            section = re.search(rb"BODY\.PEEK(\[[^\]]*\])", rest)
            if section is not None:
                is_head = b"HEADER" in section[1]
                text = octets.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if is_head else octets
                text = text[first : first + count]
                origin = b"<%d>" % first if part else b""
                answer += b" BODY%s%s {%d}\r\n%s" % (section[1], origin, len(text), text)
            answer += b")\r\n"
        return answer

    async def _heads(self, tag: bytes, rest: bytes) -> None:
        await self.say(await self.fetched(rest) + tag + b" OK done\r\n")

    _body = _part = _facts = _heads

    async def _store(self, tag: bytes, rest: bytes) -> None:
        if b"\\Deleted" in rest:
            self.server.marked |= set(self.among(rest))
        await self.say(tag + b" OK done\r\n")

    async def _expunge(self, tag: bytes, rest: bytes) -> None:
        for uid in self.server.marked & set(self.among(rest)):
            del self.server.mails[uid]
        await self.say(tag + b" OK done\r\n")

    async def _move(self, tag: bytes, rest: bytes) -> None:
        uids = self.among(rest)
        for uid in uids:
            self.server.moved[uid] = self.server.mails.pop(uid)
        await self.say(self._copied(uids) + tag + b" OK done\r\n")

    async def _copy(self, tag: bytes, rest: bytes) -> None:
        uids = self.among(rest)
        self.server.moved.update((uid, self.server.mails[uid]) for uid in uids)
        await self.say(self._copied(uids) + tag + b" OK done\r\n")

    @staticmethod
    def _copied(uids: list[int]) -> bytes:
        old, new = ",".join(map(str, uids)), ",".join(str(uid + 100) for uid in uids)
        return f"* OK [COPYUID 1 {old} {new}] copied\r\n".encode()

    async def _idle(self, tag: bytes, _rest: bytes) -> None:
        await self.say(b"+ idling\r\n")
        await self.line()
        await self.say(tag + b" OK done\r\n")

    async def _logout(self, tag: bytes, _rest: bytes) -> None:
        await self.say(b"* BYE bye\r\n" + tag + b" OK done\r\n")
        raise GoneError


Act = Callable[[Peer, bytes, bytes], Awaitable[None]]


def _kind_of_fetch(rest: bytes) -> str:
    if b"HEADER.FIELDS" in rest:
        return "HEADS"
    if b"PEEK[]<" in rest:
        return "PART"
    return "BODY" if b"[]" in rest else "FACTS"


class ScriptedImap:
    """The server, on a port of its own.  Use it as a context, or `start` and `stop`."""

    def __init__(self, script: str | Script = "good", mails: Mapping[int, bytes] = MAILS) -> None:
        """Follow a script, by its name or of one's own."""
        from maild.testing.imap_scripts import SCRIPTS  # noqa: PLC0415 - they are made of this one's parts

        self.script = SCRIPTS[script] if isinstance(script, str) else script
        self.mails = dict(mails)
        self.moved: dict[int, bytes] = {}
        self.marked: set[int] = set()
        self.commands: list[str] = []
        self.may_not: list[str] = []
        self.sessions = 0
        self.address, self.port = "127.0.0.1", 0
        self.certificates: Certificates | None = None
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._ending: asyncio.Event | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run)

    def endpoint(self) -> Endpoint:
        """Return where it is, with the certificate to trust."""
        trusted = ""
        if self.certificates is not None:
            trusted = str(self.certificates.trusted(self.script.certificate))
        return Endpoint(host="localhost", port=self.port, tls=self.script.tls, ca_file=trusted)

    def context(self) -> ssl.SSLContext:
        """Return its side of TLS."""
        if self.certificates is None:
            raise GoneError
        return self.certificates.context(self.script.certificate)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        peer = Peer(self, reader, writer)
        with contextlib.suppress(OSError, GoneError, ValueError, asyncio.IncompleteReadError):
            try:
                await peer.run()
            finally:
                peer.writer.transport.abort()

    async def _live(self) -> None:
        # A client that breaks off TLS is what some scripts are about.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._ending = asyncio.Event()
        is_tls = self.script.tls is Tls.IMPLICIT
        server = await asyncio.start_server(
            self._serve,
            self.address,
            0,
            ssl=self.context() if is_tls and "HANDSHAKE" not in self.script.on else None,
            limit=2**20,
            backlog=2000,
        )
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._ending.wait()
        server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.sleep(0.01)  # Transports close at the loop's next turns.

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._live())

    def start(self) -> Self:
        """Take sessions."""
        if self.script.tls is not Tls.NONE:
            self.certificates = Certificates()
        self._thread.start()
        self._is_up.wait(10)
        return self

    def stop(self) -> None:
        """End all sessions."""
        if self._ending is not None:
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(10)
        if self.certificates is not None:
            self.certificates.remove()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *of_what: object) -> None:
        """Stop."""
        self.stop()
