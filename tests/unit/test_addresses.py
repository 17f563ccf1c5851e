"""Mail addresses: one parser, one canonical form (U2)."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from maild.model.address import (
    ADDRESS_MAX,
    LOCAL_MAX,
    Address,
    InvalidAddressError,
    canonical_domain,
)

LOCALS = st.from_regex(
    r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,8}(\.[a-zA-Z0-9+]{1,5}){0,2}", fullmatch=True
)
EAI_LOCALS = st.text(st.characters(categories=["L", "M", "N", "S"]), min_size=1, max_size=8)
LABELS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,5}[a-zA-Z0-9])?", fullmatch=True)
EAI_LABELS = st.text(st.characters(categories=["L", "M", "Nd"]), min_size=1, max_size=6)
DOMAINS = st.lists(LABELS | EAI_LABELS, min_size=1, max_size=3).map(".".join)


@pytest.mark.parametrize(
    ("text", "norm"),
    [
        ("eva@acme.example", "eva@acme.example"),
        ("  Eva.Moser@ACME.Example ", "eva.moser@acme.example"),
        ("eva@localhost", "eva@localhost"),
        ("eva@acme.local", "eva@acme.local"),
        ("Eva+CRM@acme.example", "eva+crm@acme.example"),
        ("o'neill!#$%&*/=?^_`{|}~-@x.example", "o'neill!#$%&*/=?^_`{|}~-@x.example"),
        ("1@2.example", "1@2.example"),
        ("eva@Bücher.Example", "eva@xn--bcher-kva.example"),
        ("eva@xn--bcher-kva.example", "eva@xn--bcher-kva.example"),
        ("eva@XN--BCHER-KVA.EXAMPLE", "eva@xn--bcher-kva.example"),
        ("eva@ａｃｍｅ.example", "eva@acme.example"),
        ("eva@acme。example", "eva@acme.example"),
        ("ÉVA@acme.example", "éva@acme.example"),
        ("E\u0301va@acme.example", "éva@acme.example"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
        ("STRASSE@straße.example", "strasse@xn--strae-oqa.example"),
    ],
)  # fmt: skip
def test_the_canonical_form(text: str, norm: str) -> None:
    assert Address.parse(text).norm == norm
    assert str(Address.parse(text)) == norm


def test_two_spellings_of_one_address_are_equal_and_hash_alike() -> None:
    spellings = {
        Address.parse(text)
        for text in ("EVA@Acme.Example", "eva@acme.example", " eva@ACME.EXAMPLE")
    }
    assert len(spellings) == 1


def test_a_sharp_s_and_two_are_one_local_part() -> None:
    assert Address.parse("STRAßE@a.example") == Address.parse("strasse@a.example")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "@", "eva", "eva@", "@acme.example", "eva acme.example",
        ".eva@a.example", "eva.@a.example", "e..va@a.example", ".@a.example",
        '"eva"@a.example', '"e va"@a.example', "e va@a.example", "eva@a @b.example",
        "Eva Moser <eva@a.example>", "<eva@a.example>", "eva@a.example,", "eva@a.example;b@c.example",
        "eva(comment)@a.example", "a@b@c.example", "eva:x@a.example", "e\\va@a.example", "[eva]@a.example",
        "eva@[127.0.0.1]", "eva@[IPv6:::1]", "eva@-a.example", "eva@a-.example", "eva@a..example",
        "eva@.example", "eva@a.example.", "eva@a_b.example", "eva@a b.example", "eva@xn--.example",
        "eva@xn--a-ecp.ru\u0000", "e\0va@a.example", "eva@a.example\r\nBcc: x@y.example", "e\nva@a.example",
        "e\u200bva@a.example", "e\u202eva@a.example", "e\u00a0va@a.example", "\ud800@a.example",
        "eva@\ud800.example", "eva@a\u200b.example.", "eva＠a.example", "eva@" + "a" * 64 + ".example",
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InvalidAddressError) as caught:
        Address.parse(text)
    assert str(caught.value).isprintable()


def test_the_longest_local_part_and_the_first_too_long() -> None:
    assert Address.parse("x" * LOCAL_MAX + "@a.example").local == "x" * LOCAL_MAX
    with pytest.raises(InvalidAddressError, match="longer than 64 octets"):
        Address.parse("x" * (LOCAL_MAX + 1) + "@a.example")
    with pytest.raises(InvalidAddressError, match="longer than 64 octets"):
        Address.parse("é" * 33 + "@a.example")


def test_the_longest_address_and_the_first_too_long() -> None:
    domain = ".".join(["d" * 63] * 3 + ["example"])
    local = "x" * (ADDRESS_MAX - len(domain) - 1)
    assert len(Address.parse(f"{local}@{domain}").norm) == ADDRESS_MAX
    with pytest.raises(InvalidAddressError, match="longer than 254"):
        Address.parse(f"{local}x@{domain}")


def test_a_hostile_length_is_refused_in_a_short_sentence() -> None:
    for text in (
        "x" * 1_000_000,
        "x" * 1_000_000 + "@a.example",
        "x@" + "a." * 500_000,
        "x@" + "ä" * 100_000,
    ):
        with pytest.raises(InvalidAddressError) as caught:
            Address.parse(text)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "base", "tag"),
    [
        ("eva@a.example", "eva@a.example", None),
        ("eva+crm@a.example", "eva@a.example", "crm"),
        ("eva+crm+x@a.example", "eva@a.example", "crm+x"),
        ("eva+@a.example", "eva@a.example", ""),
        ("+eva@a.example", "+eva@a.example", None),
        ("+@a.example", "+@a.example", None),
        ("a.+b@a.example", "a.+b@a.example", None),
    ],
)
def test_base_and_tag(text: str, base: str, tag: str | None) -> None:
    address = Address.parse(text)
    assert (address.base.norm, address.tag) == (base, tag)
    assert address.base.base == address.base


def test_people_see_the_domain_in_its_own_script() -> None:
    assert Address.parse("eva@xn--bcher-kva.example").shown == "eva@bücher.example"
    assert Address.parse("eva@acme.example").shown == "eva@acme.example"


@given(LOCALS | EAI_LOCALS, DOMAINS)
@example("ͅ", "a.example")
@example("ǰ̣", "a.example")
@example("ΐ", "straße.example")
def test_the_canonical_form_is_canonical(local: str, domain: str) -> None:
    try:
        address = Address.parse(f"{local}@{domain}")
    except InvalidAddressError:
        return
    assert Address.parse(address.norm) == address
    assert Address.parse(address.norm).norm == address.norm
    assert address.domain == canonical_domain(address.domain)
    assert len(address.norm.encode()) <= ADDRESS_MAX


@given(LOCALS, LABELS)
def test_case_never_matters(local: str, label: str) -> None:
    text = f"{local}@{label}.example"
    try:
        address = Address.parse(text)
    except InvalidAddressError:
        assert "--" in label
        return
    assert Address.parse(text.upper()) == Address.parse(text.lower()) == address


@given(LOCALS | EAI_LOCALS)
@example("0.+")
def test_the_base_of_an_address_is_an_address(local: str) -> None:
    try:
        address = Address.parse(f"{local}@a.example")
    except InvalidAddressError:
        return
    assert Address.parse(address.base.norm) == address.base


@given(LOCALS | EAI_LOCALS, DOMAINS)
def test_what_people_see_is_the_same_address(local: str, domain: str) -> None:
    try:
        address = Address.parse(f"{local}@{domain}")
    except InvalidAddressError:
        return
    assert Address.parse(address.shown) == address


@given(st.text() | st.text(st.sampled_from('ab@.+"<>()[],; \t\r\n\0é。İſ')))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    said = ""
    try:
        Address.parse(text)
    except InvalidAddressError as error:
        said = str(error)
        assert said
    assert said.isprintable()
