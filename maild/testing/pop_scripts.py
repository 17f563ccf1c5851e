"""Scripts of a misbehaving POP3 server that change what is listed, fetched and deleted; `scripted_pop.py` has them all."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from maild.testing.pop_server import Peer, PopMail


def _endless(first: bytes, line: Callable[[int], bytes]) -> Callable[[Peer, bytes], None]:
    """Return a command whose answer has no end, as quickly as the other side takes it."""

    def act(peer: Peer, _: bytes) -> None:
        peer.say(first)
        n = 1
        while not peer.server.is_ending:
            peer.say(b"".join(map(line, range(n, n + 2000))))
            n += 2000

    return act


def _does(says: str, **acts: Callable[[Peer, bytes], None]) -> type[Peer]:
    methods = {f"do_{word}": act for word, act in acts.items()}
    return type("Scripted", (Peer,), {**methods, "__doc__": says})


def _says(*pieces: bytes) -> Callable[[Peer, bytes], None]:
    return lambda peer, _: peer.say(b"".join(pieces))


SCRIPTS: dict[str, type[Peer]] = {
    "capa-endless": _does("CAPA has no end.", capa=_endless(b"+OK\r\n", lambda n: b"X%d\r\n" % n)),
    "noop-endless-line": _does("NOOP: no line end.", noop=_endless(b"+OK ", lambda _: b"x" * 60)),
    # Listings.
    "empty": _does("It lists nothing.", list=_says(b"+OK\r\n.\r\n"), uidl=_says(b"+OK\r\n.\r\n")),
    "list-endless": _does("LIST: no end.", list=_endless(b"+OK\r\n", lambda n: b"%d 9\r\n" % n)),
    "uidl-endless": _does(
        "UIDL: no end.", uidl=_endless(b"+OK\r\n", lambda n: b"%d u%d\r\n" % (n, n))
    ),
    "uidl-endless-line": _does(
        "An id has no end.", uidl=_endless(b"+OK\r\n1 ", lambda _: b"x" * 60)
    ),
    "uidl-long": _does("An id has 10 KB.", uidl=_says(b"+OK\r\n1 ", b"x" * 10_240, b"\r\n.\r\n")),
    "uidl-odd": _does("An id is no text.", uidl=_says(b"+OK\r\n1 \x00\xff\x1b[2J\r\n.\r\n")),
    "uidl-twice": _does("A mail has two ids.", uidl=_says(b"+OK\r\n1 a\r\n1 b\r\n.\r\n")),
    "uidl-unknown": _does(
        "A mail of no listing has an id.", uidl=_says(b"+OK\r\n1 a\r\n77 b\r\n.\r\n")
    ),
    "uidl-noise": _does("UIDL is noise.", uidl=_says(b"+OK\r\nwhat is this\r\n.\r\n")),
    "list-noise": _does("LIST is noise.", list=_says(b"+OK\r\n1 many\r\n.\r\n")),
    "list-twice": _does("A number comes twice.", list=_says(b"+OK\r\n1 5\r\n1 6\r\n.\r\n")),
    "list-99gb": _does(
        "A mail of 99 GB is announced.", list=_says(b"+OK\r\n1 99000000000\r\n.\r\n")
    ),
    "list-huge-number": _does(
        "A number is beyond reason.", list=_says(b"+OK\r\n", b"9" * 5000, b" 1\r\n.\r\n")
    ),
    "uidl-away": _does("UIDL is away for a while.", uidl=_says(b"-ERR [SYS/TEMP] later\r\n")),
    # Mails.
    "retr-no-text": _does("+OK, and no mail.", retr=_says(b"+OK\r\n")),
    "retr-no-end": _does(
        "A mail has no end.", retr=_endless(b"+OK\r\n", lambda _: b"x" * 60 + b"\r\n")
    ),
    "retr-no-line-end": _does("Its line has none.", retr=_endless(b"+OK\r\n", lambda _: b"x" * 60)),
    "retr-20mb-line": _does(
        "A line of 20 MB.", retr=_says(b"+OK\r\n", b"x" * 20_000_000, b"\r\n.\r\n")
    ),
    "retr-refuses": _does("It refuses each mail.", retr=_says(b"-ERR [SYS/TEMP] not now\r\n")),
    "retr-noise": _does("It answers with noise.", retr=_says(b"what is this\r\n")),
    "retr-unstuffed": _does(
        "Dots are not stuffed: `.a` loses its dot, and `.` ends the mail before its time.",
        retr=_says(b"+OK\r\nA: b\r\n\r\n.a\r\n.\r\nrest\r\n.\r\n"),
    ),
    "retr-other": _does(
        "It gives another mail.", retr=_says(b"+OK\r\nSubject: another\r\n\r\n.\r\n")
    ),
    "retr-empty": _does("It gives nothing.", retr=_says(b"+OK\r\n.\r\n")),
    "top-whole": _does("TOP has no end.", top=_endless(b"+OK\r\n", lambda _: b"x: y\r\n" * 10)),
    "answers-twice": _does("It answers DELE twice.", dele=_says(b"+OK\r\n+OK\r\n")),
    # Deleting.
    "dele-refuses": _does("It deletes nothing.", dele=_says(b"-ERR read only\r\n")),
    "quit-refuses": _does("QUIT: not all was deleted.", quit=_says(b"-ERR some are left\r\n")),
    "rset-refuses": _does("It does not unmark.", rset=_says(b"-ERR what?\r\n")),
}


class _SameIds(Peer):
    """All mails have one id."""

    @override
    def do_uidl(self, _: bytes) -> None:
        self.say_text(b"+OK", b"".join(b"%d same\r\n" % n for n, _ in self.numbered()))


class _ReusedIds(Peer):
    """An id is given to another mail in the next session."""

    @override
    def do_uidl(self, _: bytes) -> None:
        self.say_text(b"+OK", b"".join(b"%d n%d\r\n" % (n, n) for n, _ in self.numbered()))


class _NewIds(Peer):
    """All ids are others in each session."""

    @override
    def do_uidl(self, _: bytes) -> None:
        lines = [b"%d s%d-%d\r\n" % (n, self.server.sessions, n) for n, _ in self.numbered()]
        self.say_text(b"+OK", b"".join(lines))


class _EmptyOnce(Peer):
    """The second session lists nothing."""

    @override
    def numbered(self) -> list[tuple[int, PopMail]]:
        return [] if self.server.sessions == 2 else super().numbered()


class _Unanswered(Peer):
    """QUIT deletes, and its answer is lost."""

    @override
    def say(self, octets: bytes) -> None:
        if octets == b"+OK bye\r\n":
            self.lose()
        super().say(octets)


SCRIPTS |= {
    "uidl-duplicate": _SameIds,
    "uidl-reused": _ReusedIds,
    "uidl-new-each-session": _NewIds,
    "empty-once": _EmptyOnce,
    "quit-done-unanswered": _Unanswered,
}
