"""Whether a From is proven (I3): listeners for authenticated users, trusted upstream results, the mail's signatures.

Pure: what asks DNS is `verdict.verify`, whose result is handed in.
"""

from __future__ import annotations

from collections.abc import Sequence

from maild.auth.finding import Verdict
from maild.auth.results import MethodResult, authserv_id_of, is_dmarc_pass, read_results
from maild.model.address import Address, InvalidAddressError
from maild.model.facts import Proven, Unproven, Witness


def proof_of(
    author: str, arrivals: Sequence[Witness], verdict: Verdict | None = None
) -> Proven | Unproven:
    """Say whether any arrival, or the mail's own signatures, prove that the mail is from this canonical address.

    One witness is enough; a doubtful witness proves nothing and takes nothing away.  Without a verdict nothing is said
    of signatures.
    """
    address = Address.parse(author)
    verdicts: list[str] = []
    for arrival in arrivals:
        if address.domain in arrival.authenticated_for:
            return Proven(
                f"it came by a way that is open only to people of {address.domain} who have signed in"
            )
        if arrival.trusted_results is None:
            continue
        results = read_results(arrival.trusted_results)
        method = _passed(results, address)
        if method is not None:
            writer = authserv_id_of(arrival.trusted_results) or "Microsoft 365"
            return Proven(f"{writer}, which is trusted here, says {method}=pass for it")
        verdicts += [f"{one.method}={one.result}" for one in results if one.method in _TELLING]
    if verdict is not None and verdict.proven:
        return Proven(verdict.how)
    return Unproven(_why_not(verdicts, verdict))


_TELLING = frozenset({"auth", "dmarc"})


def _passed(results: Sequence[MethodResult], address: Address) -> str | None:
    """Return the method that passed for our From, if one did."""
    if is_dmarc_pass(results, address.domain):
        return "dmarc"
    said = [one for one in results if one.method == "auth"]
    good = said and all(one.result == "pass" and _is_login_of(one, address) for one in said)
    return "auth" if good else None


def _why_not(verdicts: Sequence[str], verdict: Verdict | None) -> str:
    said = ", ".join(dict.fromkeys(verdicts))
    if verdict is None:
        if said:
            return f"the trusted server says {said}, not for this address"
        return "nobody signed in to send it, and no trusted server speaks for it"
    return f"{verdict.how}; the trusted server says {said}" if said else verdict.how


def _is_login_of(result: MethodResult, address: Address) -> bool:
    """Say whether who signed in is our From.  Without their name it is not known who did: an envelope's sender is typed."""
    login = result.properties.get("smtp.auth", "")
    sender = result.properties.get("smtp.mailfrom")
    if "@" in login:
        return _norm(login) == address.norm
    return login.casefold() == address.local and _norm(sender) == address.norm


def _norm(text: str | None) -> str | None:
    try:
        return Address.parse((text or "").strip("<>")).norm
    except InvalidAddressError:
        return None
