"""Whether a From is proven (I3).  In this version: listeners for authenticated users, and trusted upstream results.

DKIM, ARC, drop addresses and SMTP AUTH join here as further witnesses, each enough by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from maild.auth.results import MethodResult, read_results
from maild.model.address import Address, InvalidAddressError, canonical_domain
from maild.model.facts import Proven, Unproven, Witness


def proof_of(author: str, arrivals: Sequence[Witness]) -> Proven | Unproven:
    """Say whether any arrival proves that the mail is from this canonical address.

    One witness is enough; a doubtful witness proves nothing and takes nothing away.
    """
    address = Address.parse(author)
    verdicts: list[str] = []
    for arrival in arrivals:
        if address.domain in arrival.authenticated_for:
            return Proven(
                f"it came through a listener that carries only mail of authenticated users of {address.domain}"
            )
        if arrival.trusted_results is None:
            continue
        for result in read_results(arrival.trusted_results):
            if result.method not in {"auth", "dmarc"}:
                continue
            if result.result == "pass" and _speaks_of(result, address):
                authserv_id = arrival.trusted_results.partition(";")[0].split()[0]
                return Proven(
                    f"{authserv_id}, which this listener trusts, says {result.method}=pass for it"
                )
            verdicts.append(f"{result.method}={result.result}")
    if verdicts:
        return Unproven(
            "the trusted server says "
            + ", ".join(dict.fromkeys(verdicts))
            + ", not for this address"
        )
    return Unproven("no signed-in listener and no trusted result speaks for it")


def _speaks_of(result: MethodResult, address: Address) -> bool:
    """Say whether a pass is about our From: another reader's idea of From is no proof of ours."""
    if result.method == "dmarc":
        return _domain_of(result.properties.get("header.from", "")) == address.domain
    login = result.properties.get("smtp.auth")
    sender = result.properties.get("smtp.mailfrom")
    if login is None or "@" in login:
        return _norm(login or sender) == address.norm
    return login.casefold() == address.local and _norm(sender) == address.norm


def _norm(text: str | None) -> str | None:
    try:
        return Address.parse((text or "").strip("<>")).norm
    except InvalidAddressError:
        return None


def _domain_of(text: str) -> str | None:
    try:
        return canonical_domain(text.strip("<>").rpartition("@")[2])
    except InvalidAddressError:
        return None
