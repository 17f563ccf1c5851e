"""Verifying mails whose From is a user's: who asks DNS, for which mails, and until when (I3).

No transaction is open while DNS is asked, and nothing waits for it before the peer is answered: only deciding does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from maild.auth.finding import Finding, Verdict
from maild.auth.trusted import is_believed
from maild.model.facts import Direct, Trust
from maild.settings import AuthSettings
from maild.store.store import Tx

if TYPE_CHECKING:
    from maild.auth.dns import Dns

SENDERS_AT_A_TIME = 64
"""Sender policies that are asked for beside each other; they hold no mail in memory."""
AT_A_TIME = 100
"""Mails that are verified beside each other: as many as are decided at a time, so that all of them wait for DNS at once."""
LARGE_AT_A_TIME = 16
"""How many of them may lie in files: each is as large as the doors let in."""
LATER_FROM, LATER_TO = timedelta(minutes=5), timedelta(hours=2)
GIVE_UP = timedelta(hours=24)
"""How long after its receipt a mail is verified again that could not be verified."""

Wanted = tuple[bytes | Path, str, datetime, Collection[str]]
"""A mail, its author, when it was received, and whose seals its account trusts beside the installation's."""


class Prover:
    """What verifies mails for one process."""

    def __init__(self, settings: AuthSettings) -> None:
        """Keep what `[auth]` says; resolvers are asked at the port of the first."""
        self._settings = settings
        self._large = BoundedSemaphore(LARGE_AT_A_TIME)

    @property
    def trusted_sealers(self) -> tuple[str, ...]:
        """Whose seals the operator named, for every account."""
        return self._settings.trusted_arc_sealers

    @cached_property
    def _dns(self) -> Dns:
        # Imported by whoever verifies: the pipe and most commands never do, and it takes as long as all the rest.
        from maild.auth.dns import Dns  # noqa: PLC0415

        servers = self._settings.dns
        return Dns(
            [server.host for server in servers],
            port=servers[0].port if servers else 53,
            deadline=self._settings.dns_timeout,
        )

    def verify_all(self, wanted: Mapping[int, Wanted]) -> dict[int, Verdict]:
        """Verify mails beside each other.  Raises OSError when a body cannot be read."""
        if not wanted:
            return {}
        self._dns  # noqa: B018 - made once, before there are threads
        with ThreadPoolExecutor(min(AT_A_TIME, len(wanted)), "verify") as threads:
            return dict(zip(wanted, threads.map(self._verify, wanted.values()), strict=True))

    def examine(
        self, wanted: Mapping[int, Wanted], senders: Mapping[int, Direct]
    ) -> tuple[dict[int, Verdict], dict[int, Finding]]:
        """Verify mails, and ask beside it what sender policies say of peers: that takes one DNS deadline at most.

        A policy for which no time is left is recorded as one that could not be asked.  Raises as `verify_all`.
        """
        if not senders:
            return self.verify_all(wanted), {}
        dns = self._dns
        ends_at = dns.monotonic() + dns.deadline
        with ThreadPoolExecutor(min(SENDERS_AT_A_TIME, len(senders)), "spf") as threads:
            asked = threads.map(lambda one: _sender_policy(dns, one, ends_at), senders.values())
            verdicts = self.verify_all(wanted)
            return verdicts, dict(zip(senders, asked, strict=True))

    def _verify(self, one: Wanted) -> Verdict:
        from maild.auth.verdict import verify  # noqa: PLC0415 - as above

        raw, author, received_at, sealers = one
        with self._large if isinstance(raw, Path) else nullcontext():
            return verify(
                raw,
                author,
                self._dns,
                now=received_at,
                trusted_sealers={*self._settings.trusted_arc_sealers, *sealers},
            )


def _sender_policy(dns: Dns, one: Direct, ends_at: float) -> Finding:
    from maild.auth.spf import Peer, check_sender  # noqa: PLC0415 - as above

    peer = Peer(address=one.peer, helo=one.helo, mail_from=one.mail_from)
    return check_sender(peer, dns.for_one_mail(ends_at=ends_at))


def sealers_among(trusts: Sequence[Trust]) -> frozenset[str]:
    """Return the forwarders whose seals an account trusts."""
    return frozenset(one.domain for one in trusts if one.method == "arc")


def kept_verdicts(
    tx: Tx,
    prover: Prover | None,
    accounts: Mapping[int, int],
    trusts: Mapping[int, Sequence[Trust]],
) -> dict[int, Verdict]:
    """Return what verifying found out, by message; `accounts` say whose each message is.

    What rests on a forwarder who is trusted no more is left out: it is to be verified anew.
    """
    everywhere = () if prover is None else prover.trusted_sealers
    found = {}
    for message, stored in tx.verdicts.of(accounts).items():
        verdict = Verdict.from_dict(stored)
        own = sealers_among(trusts.get(accounts[message], ()))
        if is_believed(verdict, {*everywhere, *own}):
            found[message] = verdict
    return found


def look_again_at(verdict: Verdict | None, received_at: datetime, now: datetime) -> datetime | None:
    """Return when a mail is to be verified again: after half its age, for a day."""
    age = now - received_at
    if verdict is None or not verdict.is_temporary or age >= GIVE_UP:
        return None
    return now + min(max(age / 2, LATER_FROM), LATER_TO)
