"""What an account's admin trusts beyond what the installation does: narrow, and only what the mail itself proves (E2, I3).

Two things can be trusted, each checked anew with every mail:

* a *signer*: a domain whose valid DKIM signature covers the From, for the one address that it was trusted for.  It is a
  word about a server: that whoever has this domain sign lets nobody but its owner write that address.
* a *sealer*: a forwarder whose ARC seals are believed, as if the operator had named it; it vouches that it saw the
  mail pass DMARC for its From.

A From alone, a name, a peer, an SPF result or another server's Authentication-Results are never trusted by it.  A
domain whose signature anybody can get (public mail services, services that send for everybody) cannot be a signer.
Pure: it judges findings, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from maild.auth.finding import Outcome, Verdict
from maild.model.facts import Proven, Trust
from maild.model.public_mail import is_public_mail

_SERVICES = """
    amazonses.com bnc3.mailjet.com brevo.com brevosend.com createsend.com elasticemail.com emailsrvr.com exacttarget.com
    hubspotemail.net icontactmail.com klaviyomail.com mailchannels.net mailchimpapp.net mailerlite.com mailersend.net
    mailgun.net mailgun.org mailgun.us mailjet.com mandrillapp.com mcsv.net mlsend.com mtasv.net postmarkapp.com rsgsv.net
    sendgrid.me sendgrid.net sendinblue.com sendpulse.com smtp2go.com smtp.com sparkpostmail.com zendesk.com
"""
_SEND_FOR_EVERYBODY = frozenset(_SERVICES.split())
"""Domains with which services sign the mail of all their customers."""


@dataclass(frozen=True, slots=True)
class Trustable:
    """Somebody who speaks for this mail's From, if an admin trusts them."""

    method: str
    """`dkim` or `arc`."""
    domain: str


def trusted_proof(author: str, verdict: Verdict | None, trusts: Iterable[Trust]) -> Proven | None:
    """Say whether a signer whom the account trusts for this canonical address signed the mail.

    Seals are not judged here: a trusted sealer is handed to whoever verifies the chain.
    """
    if verdict is None:
        return None
    signed = {one.domain for one in verdict.findings if _is_good_signature(one.method, one.outcome)}
    for trust in trusts:
        if trust.method == "dkim" and trust.domain in signed and trust.address == author:
            return Proven(
                f"a DKIM signature of {trust.domain} covers it, and {trust.user} said on "
                f"{trust.at.day} {trust.at:%b} that this speaks for {author}"
            )
    return None


def sealed(domain: str) -> str:
    """Return what a trusted forwarder's seal proves, as a clause for the trace."""
    return f"{domain}, a trusted forwarder, sealed that it passed DMARC"


def is_believed(verdict: Verdict, sealers: Collection[str]) -> bool:
    """Whether what was verified once counts today: a chain of seals does while everybody who sealed it is trusted."""
    return all(
        verdict.how != sealed(one.domain) or {one.domain, *one.sealers} <= set(sealers)
        for one in verdict.findings
        if one.method == "arc" and one.outcome is Outcome.PASS
    )


def trustable(verdict: Verdict | None) -> tuple[Trustable, ...]:
    """Return whom an admin could trust for this mail: what is verifiable in it, and not anybody's."""
    if verdict is None:
        return ()
    found = []
    for one in verdict.findings:
        if _is_good_signature(one.method, one.outcome):
            if may_sign(one.domain):
                found.append(Trustable("dkim", one.domain))
        elif one.method == "arc" and one.outcome is Outcome.NONE and one.domain:
            found.append(Trustable("arc", one.domain))
    return tuple(dict.fromkeys(found))


def may_sign(domain: str) -> bool:
    """Whether a domain's signature can say anything about who wrote a mail: not where anybody can have one."""
    parts = domain.split(".")
    above = {".".join(parts[at:]) for at in range(len(parts) - 1)}
    return not any(is_public_mail(one) or one in _SEND_FOR_EVERYBODY for one in above)


def _is_good_signature(method: str, outcome: Outcome) -> bool:
    return method == "dkim" and outcome is Outcome.PASS
