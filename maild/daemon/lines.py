"""Lines to the servers of sources: looked up, connected, signed in.  Whatever goes wrong is a RemoteError (D8).

A secret is read when it is needed, kept no longer than the sign-in takes, and never told.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TypeVar

from maild.config import ConfigError
from maild.core.app import App
from maild.core.polling import Limits, SourceRow, endpoint_of
from maild.core.reaching import check_port, resolve
from maild.core.remote import Bearer, Endpoint, Password, Patience, Proof, RemoteError, Trouble
from maild.core.seal import SealError, SealingKey, read_sealing_key, seal, unseal
from maild.core.source_secrets import SecretRef, SecretUnavailableError, read_reference
from maild.core.sources import binding_of, keep_secret
from maild.doors.imap.client import ImapClient
from maild.doors.pop.client import PopClient
from maild.model.source import SignIn, TlsMode
from maild.oauth.choose import provider_for
from maild.oauth.line import Line
from maild.oauth.provider import SetupError, TokenProvider
from maild.settings import Settings

T = TypeVar("T")
POP_SESSIONS = 8
"""POP sessions at a time: each is a thread."""

Step = Callable[[str, str], None]
"""Hears of each step that succeeded: its name, and what it came to."""


def no_step(name: str, what: str) -> None:
    """Hear nothing."""


class Lines:
    """Opens lines; one for a process."""

    def __init__(self, app: App, settings: Settings) -> None:
        """Open nothing yet."""
        self._app = app
        self._settings = settings
        self._providers: dict[int, tuple[int, TokenProvider]] = {}
        self._pop = ThreadPoolExecutor(POP_SESSIONS, thread_name_prefix="pop")
        sources = settings.sources
        self.limits = Limits(
            patience=Patience(
                connect=sources.connect_timeout,
                sign_in=sources.command_timeout,
                command=sources.command_timeout,
                idle_data=sources.command_timeout,
                whole_fetch=sources.fetch_timeout,
            ),
            max_size=sources.max_size,
        )

    # -- secrets ---------------------------------------------------------------------------------------------------

    def sealing_key(self) -> SealingKey:
        """Return what seals secrets.  Blocks.  Raises ConfigError."""
        return read_sealing_key(self._settings.secret_key, os.environ)

    async def proof(self, source: SourceRow) -> Proof:
        """Return what signs in.  Raises RemoteError."""
        try:
            if source.sign_in in {SignIn.GOOGLE, SignIn.MICROSOFT, SignIn.REFRESH}:
                return Bearer(source.username, await (await self._provider(source)).get(60.0))
            return Password(source.username, await asyncio.to_thread(self._secret, source))
        except (SealError, SecretUnavailableError, SetupError, ConfigError) as error:
            raise RemoteError(Trouble.NO_SECRET, str(error)) from None

    def token_line(self) -> Line:
        """Return how token services are reached: where sources may connect to, and nowhere else (T17)."""
        allowed = self._settings.sources.allow_networks

        def dial(host: str, port: int, timeout: float) -> socket.socket:
            return socket.create_connection(
                (resolve(host, port, allowed=allowed)[0], port), timeout
            )

        return Line(dial=dial, is_clear_allowed=bool(allowed))

    def refused(self, source: SourceRow, proof: Proof) -> None:
        """Take note that a token was not accepted: the next is a new one."""
        kept = self._providers.get(source.id)
        if kept is not None and isinstance(proof, Bearer):
            kept[1].discard(proof.token)

    def _secret(self, source: SourceRow) -> str:
        if source.sign_in in {SignIn.FILE, SignIn.COMMAND, SignIn.CREDENTIAL}:
            return read_reference(SecretRef(source.sign_in, source.options["ref"]), os.environ)
        if source.secret is None:
            raise SecretUnavailableError(
                "there is none: it was not given, or host, port, user or TLS changed since"
            )
        return unseal(self.sealing_key(), source.secret, binding_of(source))

    async def _provider(self, source: SourceRow) -> TokenProvider:
        kept = self._providers.get(source.id)
        if kept is not None and kept[0] == source.version:
            return kept[1]
        secret = await asyncio.to_thread(self._secret, source)

        def keep(renewed: str) -> None:
            sealed = seal(self.sealing_key(), renewed, binding_of(source))
            keep_secret(self._app, source.id, sealed)

        provider = provider_for(
            source.sign_in.value, source.options, secret, keep=keep, line=self.token_line()
        )
        self._providers[source.id] = source.version, provider
        return provider

    # -- connecting ------------------------------------------------------------------------------------------------

    async def addresses(self, source: SourceRow) -> list[str]:
        """Return the addresses of the source's server that may be connected to.  Raises RemoteError."""
        allowed = self._settings.sources.allow_networks
        try:
            async with asyncio.timeout(self.limits.patience.connect):
                found = await asyncio.to_thread(resolve, source.host, source.port, allowed=allowed)
        except TimeoutError:
            raise RemoteError(Trouble.NO_SUCH_HOST, "the name servers do not answer") from None
        check_port(source.kind, source.port, found, allowed=allowed)
        if source.tls is TlsMode.NONE:
            # In clear only within the machine, or where the operator said that the network is his.
            private = [ip_address(one) for one in found]
            if not all(one.is_loopback or any(one in net for net in allowed) for one in private):
                raise RemoteError(
                    Trouble.TLS_FAILED, "without TLS only within [sources] allow_networks"
                )
        return found

    async def imap(self, source: SourceRow, step: Step = no_step) -> ImapClient:
        """Return a client that is signed in.  Raises RemoteError."""

        async def connect(endpoint: Endpoint, address: str) -> ImapClient:
            return await ImapClient.connect(
                endpoint, address, patience=self.limits.patience, bounds=self.limits.bounds
            )

        client = await self._connect(source, connect, step)
        proof = await self._proof_or_close(source, client)
        try:
            await client.sign_in(proof)
        except BaseException as error:
            client.close()
            self._heed(source, proof, error)
            raise
        step("sign-in", f"{source.username} is signed in")
        return client

    async def pop(self, source: SourceRow, step: Step = no_step) -> PopClient:
        """Return a client that is signed in; it is used on the threads of `on_pop_thread`.  Raises RemoteError."""

        async def connect(endpoint: Endpoint, address: str) -> PopClient:
            return await self.on_pop_thread(
                lambda: PopClient.connect(
                    endpoint, address, patience=self.limits.patience, bounds=self.limits.bounds
                )
            )

        client = await self._connect(source, connect, step)
        proof = await self._proof_or_close(source, client)
        try:
            await self.on_pop_thread(lambda: client.sign_in(proof), client)
        except BaseException as error:
            client.close()
            self._heed(source, proof, error)
            raise
        step("sign-in", f"{source.username} is signed in")
        return client

    async def _connect(
        self, source: SourceRow, connect: Callable[[Endpoint, str], Awaitable[T]], step: Step
    ) -> T:
        """Connect to the first address that answers."""
        addresses = await self.addresses(source)
        step("name", f"{source.host} is {', '.join(addresses)}")
        last: RemoteError | None = None
        for address in addresses:
            try:
                client = await connect(endpoint_of(source), address)
            except RemoteError as error:
                if error.trouble not in {Trouble.NOT_REACHED, Trouble.TIMED_OUT}:
                    raise
                last = error
            else:
                step("line", f"{address} port {source.port} answers, TLS: {source.tls.value}")
                return client
        raise last or RemoteError(Trouble.NO_SUCH_HOST)

    async def _proof_or_close(self, source: SourceRow, client: ImapClient | PopClient) -> Proof:
        try:
            return await self.proof(source)
        except BaseException:
            client.close()
            raise

    def _heed(self, source: SourceRow, proof: Proof, error: BaseException) -> None:
        if isinstance(error, RemoteError) and error.trouble is Trouble.REFUSED_LOGIN:
            self.refused(source, proof)

    async def on_pop_thread(self, act: Callable[[], T], client: PopClient | None = None) -> T:
        """Do something that blocks on one of the few threads; cancelled, it ends the client's line and waits."""
        doing = asyncio.get_running_loop().run_in_executor(self._pop, act)
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            if client is not None:
                client.abort()
            await asyncio.wait([doing])
            raise

    def close(self) -> None:
        """End the threads."""
        self._pop.shutdown(wait=False, cancel_futures=True)
