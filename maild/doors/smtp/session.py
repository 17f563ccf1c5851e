"""What the commands mean: a transaction is gathered, its mail taken, and the inside's answer given to the peer.

Nothing is promised here that the inside has not said: the reply after the dot is made from the answers of
`Intake.accept` alone, and the task that asks for them is not the connection's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from aiosmtpd.lmtp import LMTP
from typing_extensions import override

from maild import failpoint
from maild.core.door_faults import internal_error
from maild.core.intake import Intake
from maild.doors.smtp import paths, replies
from maild.doors.smtp.auth import Authenticating
from maild.doors.smtp.data import FloodError, Tub, receive
from maild.doors.smtp.gate import is_loopback
from maild.doors.smtp.transaction import Host, Peer, Recipient, Transaction
from maild.model.envelope import Door, Envelope
from maild.model.reason import Answer, Reason

MISSES_MAX = 20
"""Unknown recipients of one connection; relays are exempt, they ask for many senders."""
MIN_RATE = 50
"""Octets a second that a mail brings on average, once its first `idle_timeout` is over.  Any line that carries mail is
faster by orders of magnitude, and one that stalls for a while lives on what it sent before; a peer that drips to hold
its place is gone after the first minute."""


class Session(Authenticating):
    """A session of SMTP."""

    COMMANDS: ClassVar[tuple[str, ...]] = (
        "AUTH", "DATA", "EHLO", "EXPN", "HELO", "HELP", "MAIL", "NOOP", "QUIT", "RCPT", "RSET", "STARTTLS", "VRFY",
    )  # fmt: skip

    def __init__(
        self, host: Host, loop: asyncio.AbstractEventLoop, peername: object = None
    ) -> None:
        """Serve one connection of the listener; `peername` where it is not for the socket to say."""
        super().__init__(host.facts, loop)
        self._host = host
        self._peername = peername
        self._misses = 0
        self._is_admitted = False
        self._mail_began = 0.0
        self._mail_octets = 0
        self.peer = Peer("?")

    # -- coming and going ----------------------------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self._peername is None:
            self._peername = transport.get_extra_info("peername")
        refusal = None if self._is_admitted else self.ask_in()
        if refusal is None:
            super().connection_made(transport)
        else:
            self._write(refusal)
            transport.close()

    def ask_in(self) -> str | None:
        """Ask the listener for a place; return the reply that refuses it."""
        refusal = self._host.admit(self, self._peername)
        self._is_admitted = refusal is None
        return refusal

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if self._is_admitted:
            super().connection_lost(error)
        self._host.forget(self)

    @override
    def _create_envelope(self) -> Transaction:
        return Transaction()

    @property
    def _transaction(self) -> Transaction:
        if not isinstance(self.envelope, Transaction):
            raise TypeError("a session has a transaction from its first moment")
        return self.envelope

    @override
    def _inside(self) -> Intake:
        return self._host.intake

    @override
    def _peer_name(self) -> str:
        return self.peer.name

    # -- the envelope --------------------------------------------------------------------------------------------

    @override
    async def smtp_MAIL(self, arg: str | None) -> None:
        if await self.check_helo_needed():
            return
        if self._transaction.mail is not None:
            await self.push(replies.NESTED_MAIL)
            return
        mail = paths.read_mail(arg, self._getaddr, has_auth=bool(self._offers()))
        if isinstance(mail, paths.BadSyntax):
            await self.push(mail.reply)
            return
        limit = self._facts.max_size
        if mail.size is not None and mail.size > limit:
            await self._say(Answer(Reason.TOO_LARGE, {"size": mail.size, "limit": limit}))
            return
        full = self._host.intake.room(mail.size or limit)
        if full is not None:
            await self._say(full)
            return
        self._transaction.mail = mail
        await self.push("250 2.1.0 sender ok")

    @override
    async def smtp_RCPT(self, arg: str | None) -> None:
        transaction = self._transaction
        if transaction.mail is None:
            await self.push(replies.NEED_MAIL)
            return
        path = paths.read_rcpt(arg, self._getaddr, is_utf8=transaction.mail.is_utf8)
        if isinstance(path, paths.BadSyntax):
            await self.push(path.reply)
            return
        if len(transaction.accepted) >= self._facts.max_recipients:
            self._idle_commands += 1
            await self._say(Answer(Reason.TOO_MANY_RECIPIENTS))
            return
        answer, limit = await self._host.intake.recipient(path, transaction.mail.size)
        if answer.is_accepted:
            answer = self._judge(transaction, path, limit) or answer
        if answer.is_accepted:
            transaction.accepted.append(Recipient(path, limit))
        else:
            self._idle_commands += 1
        await self._say(answer)
        self._count_miss(answer)

    def _judge(self, transaction: Transaction, path: str, limit: int | None) -> Answer | None:
        """Return what speaks against an address that is known."""
        size = transaction.mail.size if transaction.mail is not None else None
        if size is not None and limit is not None and size > limit:
            return Answer(Reason.TOO_LARGE, {"size": size, "limit": limit})
        # SMTP has one reply after the dot, which must be true for all.
        first = transaction.accepted[0] if transaction.accepted else None
        if self._facts.door is Door.SMTP and first is not None and first.limit != limit:
            return Answer(Reason.SEPARATE_RECIPIENT, {"address": path})
        return None

    def _count_miss(self, answer: Answer) -> None:
        if answer.reason is Reason.NO_SUCH_RECIPIENT and not self.peer.is_relay:
            self._misses += 1
            if self._misses >= MISSES_MAX:
                self.say_goodbye(replies.TOO_MANY_MISSES)

    # -- the mail ------------------------------------------------------------------------------------------------

    @override
    async def smtp_DATA(self, arg: str | None) -> None:
        transaction = self._transaction
        if arg:
            await self.push("501 5.5.4 syntax: DATA")
        elif transaction.mail is None:
            await self.push(replies.NEED_MAIL)
        elif not transaction.accepted:
            await self.push(replies.NEED_RCPT)
        elif (
            full := self._host.intake.room(transaction.mail.size or self._facts.max_size)
        ) is not None:
            await self._say(full)
        else:
            try:
                answers = await self._take_mail(transaction)
                failpoint.reached("door.before_answer")
            except FloodError:
                self.say_goodbye(replies.FLOOD)
            except ConnectionError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever was not foreseen is temporary
                # LMTP owes an answer for each recipient, and what comes next may still be mail: only the end is clear.
                self.say_goodbye(f"421{internal_error('door_failed', error).line()[3:]}")
            else:
                self._idle_commands = 0
                if any(answer.is_accepted for answer in answers):
                    self._begin_anew()
                self.envelope = self._create_envelope()
                self._reset_timeout()
                await self._send(*self._replies(answers))

    async def _take_mail(self, transaction: Transaction) -> list[Answer]:
        """Read the mail and have it stored; return what is to be said for each recipient."""
        own = (recipient.limit for recipient in transaction.accepted)
        most = self._facts.max_size
        limits = [most if limit is None else min(limit, most) for limit in own]
        tub = Tub(self._host.intake.spool, max(limits))
        try:
            failpoint.reached("door.before_354")
            await self._send("354 end data with <CR><LF>.<CR><LF>")
            self._mail_began, self._mail_octets = self.loop.time(), 0
            self._is_waiting = True
            try:
                dots = await receive(
                    self._reader, tub, 2 * self._facts.max_size, self._rearm_within_mail
                )
            finally:
                self._is_waiting = False
            # From here on nothing may cut the session short: the mail may be ours.
            self._suspend_timeout()
            failpoint.reached("door.after_dot")
            if tub.failure is None and self._facts.door is Door.SMTP and dots.has_odd_bytes:
                return self._for_each(Answer(Reason.BARE_NEWLINE))
            if tub.failure is None and dots.size == 0:
                return self._for_each(Answer(Reason.EMPTY_MAIL))
            if tub.failure is not None:
                return self._failed(tub.failure, dots.size, limits)
            return await asyncio.shield(self._host.commit(self._envelope(), tub.hand_over()))
        finally:
            tub.abandon()

    def _rearm_within_mail(self, octets: int) -> None:
        """Give the peer its idle time again after so many octets, but only while the mail as a whole gets on."""
        if self._is_ending:
            self.go_down()
            return
        self._mail_octets += octets
        idle = self._facts.idle_timeout
        may_take = min(self._facts.data_timeout, max(idle, self._mail_octets / MIN_RATE))
        left = self._mail_began + may_take - self.loop.time()
        self._rearm(min(idle, left), replies.IDLE if left > idle else replies.TOO_SLOW)

    def _for_each(self, answer: Answer) -> list[Answer]:
        return [answer] * len(self._transaction.accepted)

    def _failed(self, failure: Answer, size: int, limits: Sequence[int]) -> list[Answer]:
        if failure.reason is not Reason.TOO_LARGE:
            return self._for_each(failure)
        return [Answer(failure.reason, {"size": size, "limit": limit}) for limit in limits]

    def _envelope(self) -> Envelope:
        transaction, mail = self._transaction, self._transaction.mail
        return Envelope(
            door=self._facts.door,
            mail_from="" if mail is None else mail.path,
            recipients=tuple(recipient.path for recipient in transaction.accepted),
            peer=self.peer.name,
            received_at=self._host.clock(),
            helo=(self.session.host_name or "") if self.session is not None else "",
            tls=self.is_tls,
            trust=self._facts.trust,
            signed_in_user_id=self.signed_in_user_id,
            is_direct=self._is_direct(),
        )

    def _is_direct(self) -> bool:
        """Whether the peer sends for itself: no relay or balancer, nobody's own mail program, and no LMTP behind a server."""
        facts, peer = self._facts, self.peer
        own = facts.trust.authenticated_for or self.signed_in_user_id is not None
        return facts.door is Door.SMTP and not (own or peer.is_relay or is_loopback(peer.name))

    def _replies(self, answers: Sequence[Answer]) -> list[str]:
        """One reply for all (RFC 5321 4.1.1.4): where they differ, the one that loses nothing."""
        refused = [answer for answer in answers if not answer.is_accepted]
        temporary = [answer for answer in refused if answer.reason.is_temporary]
        return [(temporary or refused or answers)[0].line()]

    async def _say(self, answer: Answer) -> None:
        """Give an answer that is no error of syntax: it does not count against the peer."""
        await self._send(answer.line())


class LmtpSession(Session, LMTP):
    """A session of LMTP (RFC 2033): LHLO, and one reply for each accepted recipient after the dot."""

    COMMANDS: ClassVar[tuple[str, ...]] = (
        "DATA", "EXPN", "HELP", "LHLO", "MAIL", "NOOP", "QUIT", "RCPT", "RSET", "STARTTLS", "VRFY",
    )  # fmt: skip

    @override
    async def smtp_LHLO(self, arg: str | None) -> None:
        if self._is_named(arg):
            await self._send(*self._capabilities())
        else:
            await self.push("501 5.5.4 syntax: LHLO hostname")

    @override
    async def check_helo_needed(self, helo: str = "LHLO") -> bool:
        return bool(await super().check_helo_needed("LHLO"))

    @override
    def _replies(self, answers: Sequence[Answer]) -> list[str]:
        return [answer.line() for answer in answers]


def session_class(door: Door) -> type[Session]:
    """Return the class that speaks the listener's protocol."""
    return LmtpSession if door is Door.LMTP else Session
