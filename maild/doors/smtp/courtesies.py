"""The commands that touch no mail: names, capabilities, TLS, and what is said for politeness."""

from __future__ import annotations

from typing_extensions import override

from maild.doors.smtp import replies
from maild.doors.smtp.engine import Engine


class Courteous(Engine):
    """A connection that knows who speaks."""

    @override
    async def smtp_EHLO(self, hostname: str | None) -> None:
        if self._is_named(hostname):
            await self._send(*self._capabilities())
        else:
            await self.push("501 5.5.4 syntax: EHLO hostname")

    @override
    async def smtp_HELO(self, hostname: str | None) -> None:
        if self._is_named(hostname):
            await self._send(f"250 {self.hostname}")
        else:
            await self.push("501 5.5.4 syntax: HELO hostname")

    def _is_named(self, hostname: str | None) -> bool:
        if hostname is None or self.session is None:
            return False
        self.envelope = self._create_envelope()  # RFC 5321 4.1.4
        self.session.host_name = hostname
        return True

    def _capabilities(self) -> list[str]:
        words = [self.hostname, f"SIZE {self._facts.max_size}", "8BITMIME", "SMTPUTF8"]
        words += ["PIPELINING", "ENHANCEDSTATUSCODES"]
        if self.tls_context is not None and not self.is_tls:
            words.append("STARTTLS")
        words += self._offers()
        return [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]

    def _offers(self) -> list[str]:
        """Return what else is offered."""
        return []

    @override
    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if arg:
            await self.push("501 5.5.4 syntax: STARTTLS")
        elif self.is_tls:
            await self.push(replies.ALREADY_TLS)
        elif self.tls_context is None:
            await self.push(replies.NO_TLS)
        else:
            # Not awaited: the peer's first TLS octets must not meet the reader of plain text.
            self._write("220 2.0.0 ready to start TLS")
            await self._start_tls(self.tls_context)

    @override
    async def smtp_HELP(self, arg: str | None) -> None:
        await self.push("214 2.0.0 see RFC 5321 and RFC 2033")

    @override
    async def smtp_VRFY(self, arg: str | None) -> None:
        await self.push(
            "252 2.5.0 send some mail, it will be tried" if arg else "501 5.5.4 VRFY what?"
        )

    @override
    async def smtp_QUIT(self, arg: str | None) -> None:
        if arg:
            await self.push("501 5.5.4 syntax: QUIT")
        else:
            self.say_goodbye("221 2.0.0 bye")
