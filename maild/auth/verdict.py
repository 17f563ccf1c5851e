"""One question, one answer: does what the mail carries in itself prove its From (I3)?

`verify` is total: whatever the bytes and whatever DNS says, it returns, in bounded time and memory.  It never reads who
the author is: that is handed in, from the one strict reading of the From, and of the very same bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from maild.auth.arc import check_chain
from maild.auth.dkim import SIGNATURES_MAX, Signature, check, signatures_of
from maild.auth.dmarc import Aligned, NotAligned, alignment, may_be_aligned
from maild.auth.dns import Dns, Inquiry, Temporary
from maild.auth.finding import Finding, Outcome, Verdict
from maild.auth.signed import Damaged, SignedMail, read_signed
from maild.auth.trusted import sealed
from maild.model.address import Address, InvalidAddressError


@dataclass(frozen=True, slots=True)
class _Judged:
    """One finding, and what it means for the From."""

    finding: Finding
    proof: str | None = None
    may_prove_later: bool = False


def verify(
    raw: bytes | Path,
    author: str,
    dns: Dns,
    *,
    now: datetime,
    trusted_sealers: Collection[str] = (),
) -> Verdict:
    """Verify a mail for the canonical address that its strict From names.

    `now` is when the mail was received, also when it is verified again: what was valid then stays valid.
    `trusted_sealers`: canonical domains.
    Raises OSError when a file cannot be read.  Safe to repeat; blocks for one DNS deadline at most.
    """
    try:
        domain = Address.parse(author).domain
    except InvalidAddressError:
        return _unproven((), "the mail names no one author")
    inquiry = dns.for_one_mail()
    mail = read_signed(raw)
    if isinstance(mail, Damaged):
        judged: list[_Judged] = []
        why = f"no signature can count: {mail.why}"
    else:
        judged = _signatures(mail, domain, now, inquiry)
        chain = _chain(mail, domain, trusted_sealers, inquiry)
        judged += [chain] if chain is not None else []
        why = _why_not(judged)
    findings = tuple(one.finding for one in judged)
    proof = next((one.proof for one in judged if one.proof is not None), None)
    if proof is None:
        later = any(one.may_prove_later for one in judged)
        return _unproven(findings, why, is_temporary=later)
    return Verdict(findings=findings, proven=True, how=proof, is_temporary=False)


def _unproven(findings: tuple[Finding, ...], why: str, *, is_temporary: bool = False) -> Verdict:
    return Verdict(findings=findings, proven=False, how=why, is_temporary=is_temporary)


def _signatures(mail: SignedMail, domain: str, now: datetime, inquiry: Inquiry) -> list[_Judged]:
    """Judge the signatures; those that can prove the From first, so that no other uses up their time."""
    found = signatures_of(mail, now)
    judged: dict[int, _Judged] = {}
    for place, one in sorted(enumerate(found), key=lambda pair: _distance(pair[1], domain)):
        if isinstance(one, Finding):
            judged[place] = _Judged(one)
        else:
            judged[place] = _judge(check(one, mail, inquiry), domain, inquiry)
    return [judged[place] for place in range(len(found))]


def _distance(one: Signature | Finding, domain: str) -> int:
    if one.domain == domain:
        return 0
    return 1 if may_be_aligned(domain, one.domain) else 2


def _judge(finding: Finding, domain: str, inquiry: Inquiry) -> _Judged:
    """Say what a checked signature means for the From."""
    if finding.outcome is Outcome.TEMPORARY:
        return _Judged(finding, may_prove_later=may_be_aligned(domain, finding.domain))
    if finding.outcome is not Outcome.PASS:
        return _Judged(finding)
    match alignment(domain, finding.domain, inquiry):
        case Aligned(how):
            proof = f"a DKIM signature of {finding.domain}, {how}, covers it"
            return _Judged(_with(finding, how), proof)
        case NotAligned(why):
            return _Judged(_with(finding, why))
        case Temporary(why):
            return _Judged(_with(finding, why), may_prove_later=True)


def _with(finding: Finding, words: str) -> Finding:
    return Finding(
        method=finding.method,
        domain=finding.domain,
        selector=finding.selector,
        outcome=finding.outcome,
        words=f"{finding.words}; {words}",
    )


def _chain(
    mail: SignedMail, domain: str, trusted_sealers: Collection[str], inquiry: Inquiry
) -> _Judged | None:
    finding = check_chain(mail, domain, trusted_sealers, inquiry)
    if finding is None:
        return None
    if finding.outcome is Outcome.PASS:
        return _Judged(finding, sealed(finding.domain))
    return _Judged(finding, may_prove_later=finding.outcome is Outcome.TEMPORARY)


def _why_not(judged: list[_Judged]) -> str:
    """Say in one clause why nothing proves it."""
    if not judged:
        return "it carries no signature"
    return "; ".join(
        f"{one.finding.method.upper()} of {one.finding.domain or 'nobody'}: {one.finding.words}"
        for one in judged[: SIGNATURES_MAX + 1]
    )
