"""Trusted Authentication-Results and listeners as witnesses (I3)."""

from __future__ import annotations

import pytest

from maild.auth.proof import proof_of
from maild.auth.results import read_results
from maild.model.facts import Proven, Witness

EVA = "eva@acme.example"


def proven(results: str | None = None, domains: tuple[str, ...] = ()) -> bool:
    witness = Witness(door="smtp", authenticated_for=domains, trusted_results=results)
    return isinstance(proof_of(EVA, [witness]), Proven)


@pytest.mark.parametrize(
    "results",
    [
        "mx.acme.example; dmarc=pass header.from=acme.example",
        "mx.acme.example 1; spf=fail; dmarc=pass (p=reject dis=none) header.from=ACME.example",
        "mx.acme.example; auth=pass (LOGIN) smtp.auth=eva@acme.example",
        "mx.acme.example; auth=pass smtp.auth=eva smtp.mailfrom=eva@acme.example",
        "mx.acme.example; dkim=fail header.d=x.example; dmarc = pass header.from = acme.example",
    ],
)
def test_I3_a_trusted_pass_for_our_from_proves_it(results: str) -> None:
    assert proven(results)


@pytest.mark.parametrize(
    "results",
    [
        None,
        "mx.acme.example; none",
        "mx.acme.example; dmarc=fail header.from=acme.example",
        "mx.acme.example; dmarc=pass header.from=evil.example",
        "mx.acme.example; dmarc=pass",
        "mx.acme.example; spf=pass smtp.mailfrom=eva@acme.example",
        "mx.acme.example; dkim=pass header.d=acme.example",
        "mx.acme.example; auth=pass smtp.auth=jan@acme.example",
        "mx.acme.example; auth=pass smtp.auth=jan smtp.mailfrom=eva@acme.example",
        "mx.acme.example; spf=pass (; dmarc=pass header.from=acme.example)",
        'mx.acme.example; x=y reason="; dmarc=pass header.from=acme.example"',
        r'mx.acme.example; x=y reason="\"; dmarc=pass header.from=acme.example',
        "mx.acme.example; dmarc=pass header.from=acme.example.evil.example",
        "mx.acme.example; dmarc=pass header.from=acme-example",
        "x" * 20_000 + "; dmarc=pass header.from=acme.example",
    ],
)
def test_I3_anything_else_proves_nothing(results: str | None) -> None:
    assert not proven(results)


def test_I3_a_listener_for_authenticated_users_proves_their_domains_only() -> None:
    assert proven(domains=("acme.example",))
    assert not proven(domains=("other.example", "sub.acme.example"))


def test_I3_one_proven_arrival_is_enough() -> None:
    arrivals = [Witness(door="smtp"), Witness(door="lmtp", authenticated_for=("acme.example",))]
    assert isinstance(proof_of(EVA, arrivals), Proven)


def test_reading_results_never_raises_and_keeps_the_first_of_equal_properties() -> None:
    found = read_results("id; dmarc=pass header.from=a.example header.from=b.example")
    assert found[0].properties["header.from"] == "a.example"
    assert read_results("((((") == ()
