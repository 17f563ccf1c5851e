"""Alignment by organisational domain: the tree walk and what hostile policies can do to it (I3, RFC 9989)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from maild.auth.dmarc import policy_of, steps
from maild.testing.dns_server import Act
from tests.auth.site import Site, a_mail, the_one

WIDE = "v=DMARC1; p=none"


def signed_below(site: Site) -> bytes:
    """From the bare domain, signed by a name below it."""
    site.has_key("mail.acme.example")
    return site.signed(a_mail(), "mail.acme.example")


def test_I3_a_subdomain_s_signature_is_aligned_when_the_policy_is_relaxed(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", WIDE)
    verdict = site.verdict(signed_below(site))
    assert verdict.proven
    assert "organisation acme.example" in verdict.how


def test_I3_a_subdomain_s_signature_is_not_aligned_when_the_policy_is_strict(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", "v=DMARC1; p=reject; adkim=s")
    verdict = site.verdict(signed_below(site))
    assert not verdict.proven
    assert not verdict.is_temporary
    assert "adkim=s" in the_one(verdict).words


def test_I3_a_parent_s_signature_speaks_for_its_subdomain(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", WIDE)
    assert site.verdict(site.signed(a_mail("eva@sales.acme.example"))).proven


def test_I3_a_subdomain_s_own_policy_comes_before_its_organisation_s(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", WIDE)
    site.server.txt("_dmarc.sales.acme.example", "v=DMARC1; p=none; adkim=s")
    mail = site.signed(a_mail("eva@sales.acme.example"))
    assert not site.verdict(mail).proven


def test_I3_an_organisation_s_strictness_holds_for_its_subdomains(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", "v=DMARC1; p=none; adkim=s")
    assert not site.verdict(site.signed(a_mail("eva@sales.acme.example"))).proven


def test_I3_without_any_policy_only_the_very_domain_is_aligned(site: Site) -> None:
    assert site.verdict(site.signed(a_mail())).proven
    assert not site.verdict(signed_below(site)).proven


def test_I3_a_neighbour_below_a_public_suffix_is_not_aligned(site: Site) -> None:
    """Both publish, and so does the suffix, which says that it is one."""
    for name in ("acme.co.example", "evil.co.example"):
        site.server.txt(f"_dmarc.{name}", WIDE)
        site.has_key(name)
    site.server.txt("_dmarc.co.example", "v=DMARC1; p=none; psd=y; np=reject")
    site.server.txt("_dmarc.mail.acme.co.example", WIDE)
    site.has_key("mail.acme.co.example")
    mail = a_mail("eva@acme.co.example")
    assert not site.verdict(site.signed(mail, "evil.co.example")).proven
    assert site.verdict(site.signed(mail, "mail.acme.co.example")).proven


def test_I3_a_suffix_itself_does_not_speak_for_those_below_it(site: Site) -> None:
    site.server.txt("_dmarc.co.example", "v=DMARC1; p=none; psd=y")
    site.has_key("co.example")
    assert not site.verdict(site.signed(a_mail("eva@acme.co.example"), "co.example")).proven


def test_I3_below_a_suffix_one_label_is_the_organisation_even_without_a_policy(site: Site) -> None:
    site.server.txt("_dmarc.co.example", "v=DMARC1; p=none; psd=y")
    site.has_key("mail.acme.co.example")
    assert site.verdict(site.signed(a_mail("e@acme.co.example"), "mail.acme.co.example")).proven


def test_I3_psd_n_begins_an_organisation(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", WIDE)
    site.server.txt("_dmarc.branch.acme.example", "v=DMARC1; p=none; psd=n")
    site.has_key("mail.branch.acme.example")
    below = "mail.branch.acme.example"
    assert not site.verdict(site.signed(a_mail("eva@branch.acme.example"))).proven
    site.server.asked.clear()
    assert site.verdict(site.signed(a_mail("eva@branch.acme.example"), below)).proven
    assert site.server.count("_dmarc.acme.example") == 0


def test_I3_a_country_is_no_organisation_whatever_it_publishes(site: Site) -> None:
    site.server.txt("_dmarc.example", "v=DMARC1; p=none")
    site.has_key("evil.example")
    site.has_key("evil.acme.example")
    assert not site.verdict(site.signed(a_mail(), "evil.example")).proven
    assert not site.verdict(site.signed(a_mail(), "evil.acme.example")).proven


DEEP = ".".join("abcdefghijkl") + ".acme.example"


def test_I3_a_tree_walk_asks_at_most_eight_times(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", WIDE)
    verdict = site.verdict(site.signed(a_mail(f"eva@{DEEP}")))
    assert verdict.proven
    asked = [name for name, _ in site.server.asked if name.startswith("_dmarc.")]
    assert len(asked) == 8
    assert asked[0] == f"_dmarc.{DEEP}"
    assert asked[1] == "_dmarc.h.i.j.k.l.acme.example"
    assert len(set(asked)) == 8  # The signer's own walk is part of it: nothing is asked twice.


def test_I3_two_deep_walks_ask_at_most_sixteen_times(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", WIDE)
    other = DEEP.replace("a.b.", "x.y.").replace(".c.d.e.f.g.h.i.", ".s.t.u.v.w.x.y.")
    site.has_key(other)
    assert site.verdict(site.signed(a_mail(f"eva@{DEEP}"), other)).proven
    asked = [name for name, _ in site.server.asked if name.startswith("_dmarc.")]
    assert len(asked) == len(set(asked)) <= 16


@given(st.lists(st.sampled_from(["a", "bb", "c-c"]), min_size=1, max_size=30))
def test_I3_no_name_needs_more_than_eight_steps(labels: list[str]) -> None:
    domain = ".".join(labels)
    found = steps(domain)
    assert found[0] == domain
    assert found[-1] == labels[-1]
    assert len(found) == min(len(labels), 8)
    assert all(domain == name or domain.endswith("." + name) for name in found)


def test_I3_a_stranger_s_domain_costs_no_walk(site: Site) -> None:
    site.has_key("evil.other")
    site.verdict(site.signed(a_mail(), "evil.other"))
    assert not any(name.startswith("_dmarc") for name, _ in site.server.asked)


def test_I3_a_walk_that_fails_for_now_is_temporary(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", WIDE)
    site.server.acts("_dmarc.mail.acme.example", Act.SERVFAIL)
    verdict = site.verdict(signed_below(site))
    assert not verdict.proven
    assert verdict.is_temporary
    site.server.acts("_dmarc.mail.acme.example", None)
    assert site.verdict(signed_below(site)).proven


def test_I3_two_policies_at_one_name_are_none(site: Site) -> None:
    site.server.txt("_dmarc.acme.example", WIDE, "v=DMARC1; p=reject")
    assert not site.verdict(signed_below(site)).proven
    site.server.txt("_dmarc.acme.example", WIDE, "google-site-verification=1", b"\xff")
    assert site.verdict(signed_below(site)).proven


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"v=DMARC1",
        b"v=DMARC1;",
        b"p=none; v=DMARC1",
        b"v=dmarc1; p=none",
        b"v=DMARC12; p=none",
        b"v=DMARC1; p=whatever",
        b"v=DMARC1; p=none; p=reject",
        b"v=DMARC1; p=none; np=perhaps",
        b"v=DMARC1; p=none; \xff\xfe=1",
        b"v=DMARC1 p=none",
        b"v=DMARC1; p=none;" + b" x=y;" * 100,
        b"x" * 20_000,
    ],
)
def test_I3_what_is_no_policy_aligns_nobody(site: Site, record: bytes) -> None:
    site.server.txt("_dmarc.acme.example", record)
    verdict = site.verdict(signed_below(site))
    assert not verdict.proven
    assert not verdict.is_temporary


@pytest.mark.parametrize(
    "record",
    [
        b"v=DMARC1;p=none",
        b"v = DMARC1 ; p = NONE ; adkim=R;",
        b"v=DMARC1; p=reject; sp=none; np=quarantine; unknown=tag; psd=maybe",
        b"v=DMARC1; rua=mailto:d@acme.example",
        b"v=DMARC1; p=oops; rua=mailto:d@acme.example",
        b"v=DMARC1; adkim=x; p=none",
    ],
)
def test_I3_what_is_a_policy_in_spite_of_its_form_counts(site: Site, record: bytes) -> None:
    site.server.txt("_dmarc.acme.example", record)
    assert site.verdict(signed_below(site)).proven


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_I3_no_policy_text_raises(record: bytes) -> None:
    policy_of(b"v=DMARC1;" + record, "acme.example")
