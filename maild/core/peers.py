"""Who handed mails over, directly from the world, and what their sender policies say: a record, never a proof (I3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from maild.auth.finding import Finding, Verdict
from maild.core.facts import Gathered
from maild.model.facts import Direct, Witness
from maild.store.deliveries import Claimed


def directs_of(claimed: Claimed, gathered: Gathered) -> list[Direct]:
    """Return the servers of the world that handed a mail over, each time it came in."""
    witnesses = gathered.witnesses.get(claimed.message_id, ())
    return [one.direct for one in witnesses if one.direct is not None]


def with_findings(
    gathered: Gathered, verdicts: Mapping[int, Verdict], senders: Mapping[int, Finding]
) -> Gathered:
    """Return the same with what was found out since: verdicts by message, sender policies by arrival."""
    witnesses = gathered.witnesses
    if senders:
        witnesses = {
            key: [_with_policy(one, senders) for one in some] for key, some in witnesses.items()
        }
    return replace(gathered, verdicts={**gathered.verdicts, **verdicts}, witnesses=witnesses)


def _with_policy(witness: Witness, senders: Mapping[int, Finding]) -> Witness:
    direct = witness.direct
    found = None if direct is None else senders.get(direct.arrival_id)
    if direct is None or found is None:
        return witness
    return replace(witness, direct=replace(direct, spf=kept(found)))


def kept(found: Finding) -> dict[str, str]:
    """Return what is stored of a finding."""
    return {"domain": found.domain, "outcome": found.outcome.value, "words": found.words}
