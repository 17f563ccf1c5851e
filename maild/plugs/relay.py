"""Handing mail to the company's relay by SMTP.

TLS, where it is asked for, is required and its certificate checked; the password goes over TLS, or to this machine.
What the server says about a sign-in is never repeated: it may repeat the password.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiosmtplib
from aiosmtplib import SMTP

from maild.config import ConfigError
from maild.config.secret import read_secret
from maild.core.letters import Composed
from maild.model.errand import Done, Fate, Later, Never
from maild.settings import RelaySettings

SAID_MAX = 300
_ABOUT_US = frozenset({530, 534, 535, 538})
"""Permanent, but of the session and not of the mail: the relay wants a sign-in, or another one."""
_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")


class RelayError(Exception):
    """The relay cannot be had now, whatever the mail; the text is for the operator and tells nothing secret."""


class Relay:
    """One session.  Use with `async with`: it signs in, and says goodbye."""

    def __init__(self, settings: RelaySettings, hostname: str, env: Mapping[str, str] = os.environ):
        """Connect later; `hostname` is what EHLO says."""
        self._settings = settings
        self._hostname = hostname
        self._env = env
        self._client: SMTP | None = None

    async def __aenter__(self) -> Self:
        """Connect and sign in.  Raises RelayError."""
        relay = self._settings
        self._client = client = SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname=self._hostname,
            timeout=relay.timeout,
            use_tls=relay.tls == "implicit",
            start_tls=relay.tls == "starttls",
            tls_context=await asyncio.to_thread(self._tls),
        )
        try:
            async with asyncio.timeout(2 * relay.timeout):
                await client.connect()
                await client.ehlo()
                await self._sign_in(client)
        except BaseException as error:
            client.close()
            why = _trouble(error)
            if why is None:
                raise
            raise RelayError(f"{relay.host}:{relay.port}: {why}") from None
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say goodbye, if there is time for it; nobody waits for the answer for long."""
        client, self._client = self._client, None
        if client is None:
            return
        if error is None and client.is_connected:
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=2.0)
        client.close()

    def _tls(self) -> ssl.SSLContext | None:
        if self._settings.tls == "none":
            return None
        try:
            context = ssl.create_default_context(cafile=self._settings.ca_file)
        except OSError as error:
            raise RelayError(f"relay.ca_file cannot be read: {error.strerror}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    async def _sign_in(self, client: SMTP) -> None:
        if not self._settings.username:
            return
        methods = {method.lower() for method in client.supported_auth_methods}
        try:
            password = await asyncio.to_thread(
                read_secret, self._settings.password, "relay.password", self._env
            )
        except ConfigError as error:
            raise RelayError("; ".join(error.problems)) from None
        # One try: to go through all that the server knows locks accounts.
        if "plain" in methods:
            await client.auth_plain(self._settings.username, password)
        elif "login" in methods:
            await client.auth_login(self._settings.username, password)
        else:
            raise RelayError("the relay offers no sign-in that is known here (PLAIN, LOGIN)")

    async def send(self, mail: Composed) -> Fate:
        """Hand over one mail; return what came of it.

        Raises RelayError when the session is no good for another one.  Then it is not known of a mail whose last line
        was said whether the relay has it.
        """
        client = self._client
        if client is None or not client.is_connected:
            raise RelayError("the relay has closed the connection")
        # The envelope, too: a mail that names ASCII addresses alone may come back to an inbox that is none (RFC 6531 3.1).
        needs_utf8 = mail.needs_utf8 or not f"{mail.mail_from}{mail.recipient}".isascii()
        if needs_utf8 and not client.supports_extension("smtputf8"):
            return Never("the relay does not take addresses beyond ASCII (SMTPUTF8)")
        encoding, options = ("utf-8", ["SMTPUTF8"]) if needs_utf8 else ("ascii", [])
        try:
            await client.mail(mail.mail_from, options=options, encoding=encoding)
            await client.rcpt(mail.recipient, encoding=encoding)
            answer = await client.data(mail.content, timeout=self._settings.data_timeout)
        except (
            aiosmtplib.SMTPSenderRefused,
            aiosmtplib.SMTPRecipientRefused,
            aiosmtplib.SMTPDataError,
        ) as error:
            return await self._refused(client, error)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise RelayError(_trouble(error) or "the connection failed") from None
        return Done(_plain(f"{answer.code} {answer.message}")[:SAID_MAX])

    async def _refused(self, client: SMTP, error: aiosmtplib.SMTPResponseException) -> Fate:
        why = _said(error)
        if error.code == 421 or error.code in _ABOUT_US or not 400 <= error.code < 600:
            client.close()
            raise RelayError(why)
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            client.close()
        return Later(why) if error.code < 500 else Never(why)


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    return f"the relay says {error.code} {_plain(str(error.message))}"[:SAID_MAX]


def _plain(text: str) -> str:
    """Return a server's words on one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _trouble(error: BaseException) -> str | None:
    """Return a session's trouble as a sentence; None for what is no trouble of the relay's."""
    cause = error.__cause__
    why: str | None = None
    match error:
        case RelayError():
            why = str(error)
        case aiosmtplib.SMTPAuthenticationError():
            enhanced = _ENHANCED.match(str(error.message))
            code = f"{error.code} {enhanced[1]}" if enhanced else str(error.code)
            why = f"the relay refuses the sign-in ({code}); look at relay.username and its password"
        case aiosmtplib.SMTPResponseException():
            why = _said(error)
        case ssl.SSLCertVerificationError():
            why = f"its certificate is not good: {error.verify_message}"
        case aiosmtplib.SMTPException() if isinstance(cause, ssl.SSLCertVerificationError):
            why = f"its certificate is not good: {cause.verify_message}"
        case TimeoutError():
            why = "it does not answer in time"
        case aiosmtplib.SMTPException():
            why = str(error.message)[:SAID_MAX]
        case OSError():
            why = error.strerror or type(error).__name__
        case _:
            pass
    return why
