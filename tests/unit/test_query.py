"""The language of search: read, checked, written back, as JSON and as a sentence (M6)."""

from __future__ import annotations

import string
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from maild.model.moments import read_span
from maild.model.query import (
    MARKS,
    TERMS_MAX,
    Field,
    Operator,
    Query,
    QueryError,
    Term,
    UnknownFieldError,
    checked,
    explain,
    operators_of,
    read_terms,
)
from maild.model.query_text import TEXT_MAX, read_query, write_query


def terms(text: str) -> list[tuple[str, str, str, bool]]:
    return [
        (term.field.value, term.operator.value, term.value, term.is_not)
        for term in read_query(text).terms
    ]


def test_M6_the_whole_language_in_one_line() -> None:
    line = 'to:info@ is:unread owner:none from:acme status:waiting before:2026-11-01 has:attachment client:none "offer"'
    assert terms(line) == [
        ("to", "contains", "info@", False),
        ("is", "is", "unread", False),
        ("owner", "is", "none", False),
        ("from", "contains", "acme", False),
        ("status", "is", "waiting", False),
        ("before", "is", "2026-11-01", False),
        ("has", "is", "attachment", False),
        ("client", "is", "none", False),
        ("text", "contains", "offer", False),
    ]


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("-from:@Acme.Example", ("from", "domain is", "acme.example", True)),
        ("from:@acme", ("from", "contains", "@acme", False)),
        ("to:=Anna@Rossi.Example", ("to", "is", "anna@rossi.example", False)),
        ("not not offer", ("text", "contains", "offer", False)),
        ('-"two words"', ("text", "contains", "two words", True)),
        ('subject:"a \\"b\\" \\\\"', ("subject", "contains", 'a "b" \\', False)),
        ("status=Waiting", ("status", "is", "Waiting", False)),
        ("larger:2MB", ("larger", "is", str(2 * 2**20), False)),
        ("owner:ME", ("owner", "is", "me", False)),
        ("a=b", ("text", "contains", "a=b", False)),
        ("reason:client_not_found", ("reason", "is", "CLIENT_NOT_FOUND", False)),
    ],
)
def test_M6_operators_and_values_are_read_as_they_are_compared(
    text: str, term: tuple[str, str, str, bool]
) -> None:
    assert terms(text) == [term]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('offer "unclosed', "at character 7: these quotes are not closed"),
        ("from:", "at character 6: from has no value"),
        ('from:""', "at character 6: the value of from is empty"),
        ("offer before:2026-02-30", "at character 14: before cannot be “2026-02-30”"),
        ("is:purple", "is cannot be “purple”: it is one of unread, read"),
        ("a or b", "at character 3: every term must hold"),
        ("offer not", "at character 7: nothing stands behind"),
        ("!!!", "it has no letter and no digit"),
        ("from:=nobody", "from cannot be “nobody”"),
        ("x" * (TEXT_MAX + 1), f"a search has at most {TEXT_MAX} characters"),
        ("a " * (TERMS_MAX + 1), f"a search has at most {TERMS_MAX} terms"),
        ("a\u202eb", "U+202E is a character that cannot be seen"),
    ],
)
def test_M6_what_cannot_be_read_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(QueryError) as refused:
        read_query(text)
    assert message in str(refused.value)


def test_M6_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(UnknownFieldError, match=r"no field “form”; did you mean from\?"):
        read_query("offer form:anna")


@pytest.mark.parametrize(
    "said",
    [
        "offer",
        {"field": "from"},
        {"field": "from", "value": 3},
        {"field": "from", "value": "a", "colour": "b"},
        {"field": "from", "operator": "sounds like", "value": "a"},
        {"field": "status", "operator": "contains", "value": "a"},
        {"field": "from", "value": "a", "not": "yes"},
    ],
)
def test_M6_a_term_in_json_is_checked(said: object) -> None:
    with pytest.raises(QueryError, match="at term 2"):
        read_terms([{"field": "text", "value": "a"}, said])


def test_M6_a_day_is_one_in_utc_unless_it_has_an_offset() -> None:
    day = read_span("2026-11-01")
    assert (day.start, day.end) == (
        datetime(2026, 11, 1, tzinfo=UTC),
        datetime(2026, 11, 2, tzinfo=UTC),
    )
    assert read_span("2026-11-01+01:00").start == datetime(2026, 10, 31, 23, tzinfo=UTC)
    minute = read_span("2026-11-01T09:30")
    assert (minute.end - minute.start).total_seconds() == 60


def test_M6_a_search_is_said_in_a_sentence() -> None:
    assert explain(read_query("to:info@ -is:unread owner:none")) == (
        "Mails that are to an address with “info@”, and that are not unread, and that have no owner."
    )
    assert explain(Query()) == "All mails."


WORDS = st.text(
    alphabet=st.sampled_from(string.ascii_letters + string.digits + ' "\\:=-*@.äÉß日本ﬁ\u0301'),
    min_size=1,
    max_size=30,
)
VALUES = {
    Field.STATE: st.sampled_from(["filed", "held"]),
    Field.REASON: st.sampled_from(["SPAM", "FILED_CONTACT"]),
    Field.IS: st.sampled_from(MARKS[Field.IS]),
    Field.HAS: st.sampled_from(MARKS[Field.HAS]),
    **dict.fromkeys((Field.BEFORE, Field.AFTER, Field.ON), st.dates().map(str)),
    **dict.fromkeys((Field.LARGER, Field.SMALLER), st.integers(0, 10**12).map(str)),
}
EXACT = {
    Operator.IS: st.sampled_from(["anna@rossi.example", "bo-b+x@dupont.example"]),
    Operator.DOMAIN_IS: st.sampled_from(["rossi.example", "xn--bcher-kva.example"]),
}


@st.composite
def some_terms(draw: st.DrawFn) -> Term | None:
    field = draw(st.sampled_from(list(Field)))
    operator = draw(st.sampled_from(operators_of(field)))
    is_named = operator is not operators_of(field)[0]
    values = EXACT[operator] if is_named else VALUES.get(field, WORDS)
    try:
        return checked("here", field, operator, draw(values), is_not=draw(st.booleans()))
    except QueryError:
        return None


@given(st.lists(some_terms(), max_size=6))
def test_M6_text_and_json_say_the_same_and_are_read_back(found: list[Term | None]) -> None:
    query = Query(tuple(term for term in found if term is not None))
    assert read_query(write_query(query)) == query
    assert read_terms(query.as_list()) == query
    assert explain(query).endswith(".")


@given(st.text(max_size=200))
def test_M6_whatever_is_typed_is_a_query_or_refused(text: str) -> None:
    with suppress(QueryError):
        query = read_query(text)
        assert read_query(write_query(query)) == query


@pytest.mark.parametrize("text", ["not and offer", "-and offer", "offer not and", "not not and x"])
def test_M6_and_behind_what_says_not_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="“and”"):
        read_query(text)


def test_M6_an_at_in_quotes_is_contained_and_no_domain() -> None:
    said = [{"field": "from", "operator": "contains", "value": "@rossi.example"}]
    query = read_terms(said)
    assert write_query(query) == 'from:"@rossi.example"'
    assert read_query(write_query(query)) == query
    assert read_query("from:@rossi.example").terms[0].operator is Operator.DOMAIN_IS
