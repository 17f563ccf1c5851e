"""Whether a signer may speak for a From domain: alignment by organisational domain (RFC 9989), and nothing else.

The organisational domain is found by the tree walk, with at most eight look-ups.  How it reads the product's rule:

* the very domain of the From is always aligned, and costs no question;
* another one is aligned where the policy that holds for the From is relaxed (which it is unless it says `adkim=s`) and
  both have the same organisational domain;
* where no policy is published from the domain up to the top, a domain is its own organisation (RFC 9989 4.10.2):
  then nobody but the very domain is aligned.  No list of suffixes and no guess stands in for the owner's word.

What a policy asks receivers to do with mail that fails is never acted upon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from maild.auth.dns import Answer, Inquiry, Missing, Temporary
from maild.auth.tags import tags_of

LOOK_UPS_MAX = 8
_VERSION = re.compile(r"\s*v\s*=\s*DMARC1\s*(?:;|\Z)")
_POLICIES = {"none", "quarantine", "reject"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a name publishes."""

    domain: str
    is_strict: bool
    """adkim=s: only the very domain is aligned."""
    psd: str
    """`y`: names below belong to different owners; `n`: an organisation begins here; `u`: it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What the tree walk from a domain found."""

    domain: str
    organisation: str
    policies: tuple[Policy, ...]
    """From the domain itself upwards."""

    @property
    def is_strict(self) -> bool:
        """Whether the policy that holds for the domain wants the very domain: its own, else its organisation's."""
        for holder in (self.domain, self.organisation):
            for policy in self.policies:
                if policy.domain == holder:
                    return policy.is_strict
        return False


@dataclass(frozen=True, slots=True)
class Aligned:
    """The signer may speak for the From; `how` is a clause for the trace."""

    how: str


@dataclass(frozen=True, slots=True)
class NotAligned:
    """It may not; `why` is a clause for the trace."""

    why: str


def may_be_aligned(author: str, signer: str) -> bool:
    """Say, without a question, whether alignment of two canonical domains is possible at all.

    Organisations have names of two labels or more: one that ended at the top would make all of a country one house.
    """
    ours, theirs = author.split("."), signer.split(".")
    return author == signer or (len(theirs) > 1 and ours[-2:] == theirs[-2:])


def alignment(author: str, signer: str, inquiry: Inquiry) -> Aligned | NotAligned | Temporary:
    """Say whether a signature of one canonical domain speaks for a From of another."""
    if author == signer:
        return Aligned("the very domain of the From")
    if not may_be_aligned(author, signer):
        return NotAligned(f"{signer} is not aligned with {author}")
    ours = walk(author, inquiry)
    return ours if isinstance(ours, Temporary) else _by_walk(ours, signer, inquiry)


def _by_walk(ours: Walk, signer: str, inquiry: Inquiry) -> Aligned | NotAligned | Temporary:
    author = ours.domain
    if ours.is_strict:
        return NotAligned(f"{author} wants its very name (adkim=s), not {signer}")
    theirs = walk(signer, inquiry)
    if isinstance(theirs, Temporary):
        return theirs
    if ours.organisation != theirs.organisation:
        return NotAligned(f"{signer} is not of the organisation {ours.organisation}")
    return Aligned(f"of the organisation {ours.organisation}, as the From")


def walk(domain: str, inquiry: Inquiry) -> Walk | Temporary:
    """Walk from a canonical domain to the top (RFC 9989 4.10), and say where its organisation begins."""
    policies = []
    for name in steps(domain):
        policy = policy_at(name, inquiry)
        if isinstance(policy, Temporary):
            return policy
        if policy is None or ("." not in name and policy.psd != "y"):
            continue  # A single label is no organisation, whatever else it publishes.
        policies.append(policy)
        if policy.psd != "u":
            break
    found = tuple(policies)
    return Walk(domain=domain, organisation=_organisation(domain, found), policies=found)


def steps(domain: str) -> list[str]:
    """Return the names that are asked, in their order: of a deep one the domain itself, then seven labels and less."""
    labels = domain.split(".")
    below = min(len(labels) - 1, LOOK_UPS_MAX - 1)
    return [domain, *(".".join(labels[-count:]) for count in range(below, 0, -1))]


def _organisation(domain: str, policies: tuple[Policy, ...]) -> str:
    """RFC 9989 4.10.2; a policy that says where an organisation begins or ends is the last one of its walk."""
    for policy in policies:
        if policy.psd == "y" and policy.domain != domain:
            below = domain.removesuffix("." + policy.domain).rpartition(".")[2]
            return f"{below}.{policy.domain}"
    return policies[-1].domain if policies else domain


def policy_at(domain: str, inquiry: Inquiry) -> Policy | Temporary | None:
    """Return what a name publishes; None for nothing, or for what is no policy."""
    match inquiry.txt(f"_dmarc.{domain}"):
        case Temporary() as later:
            return later
        case Missing():
            return None
        case Answer(values):
            found = [value for value in values if _VERSION.match(value.decode("ascii", "replace"))]
            # RFC 9989 4.10: of several, none counts.
            return policy_of(found[0], domain) if len(found) == 1 else None


def policy_of(record: bytes, domain: str) -> Policy | None:
    """Read a record that begins as a policy; None where it cannot be one (RFC 9989 4.7)."""
    tags = tags_of(record.decode("ascii", "replace"))
    if tags is None:
        return None
    asked = {name: tags[name].lower() for name in ("p", "sp", "np") if name in tags}
    is_whole = "p" in asked and set(asked.values()) <= _POLICIES
    if not is_whole and not tags.get("rua", "").lower().startswith("mailto:"):
        return None
    psd = tags.get("psd", "u").lower()
    return Policy(
        domain=domain,
        is_strict=tags.get("adkim", "r").lower() == "s",
        psd=psd if psd in {"y", "n"} else "u",
    )
