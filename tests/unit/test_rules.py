"""M11: rules as one line, and what they say about a mail."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import event, given, settings, strategies as st

from maild.model.facts import ClientRef
from maild.model.letter import Attachment, Author, Forwarded, How, Kind, Letter, Mailbox
from maild.model.plain_text import MARKS_MAX
from maild.model.rule_text import (
    CONDITIONS_MAX,
    TEXT_MAX,
    VALUE_MAX,
    Acts,
    RuleSyntaxError,
    Written,
    operators_of,
    read_rule,
    read_when,
    write_rule,
    write_when,
)
from maild.model.rules import (
    SEARCHED_MAX,
    Assignee,
    Condition,
    Field,
    Heard,
    Operator,
    Rule,
    Seen,
    StatusRef,
    When,
    folded,
    hear,
    is_met,
)
from maild.model.trace import Trace

VALUES = (
    st.text(
        st.characters(exclude_categories=["C", "Z"], include_characters=' ,:="\\\u200c'),
        min_size=1,
        max_size=30,
    )
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: bool(text.strip()) and len(text) <= VALUE_MAX)
)
LABEL = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
DOMAINS = st.builds("{}.example".format, LABEL)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    is_not = draw(st.booleans())
    name = draw(st.sampled_from(Field))
    if name is Field.ATTACHMENT and draw(st.booleans()):
        return Condition(field=name, operator=Operator.THERE, is_not=is_not)
    operator = draw(st.sampled_from(operators_of(name)))
    value = draw(VALUES)
    if name is Field.SIZE:
        value = str(draw(st.integers(0, 10**14)))
    elif name is Field.DIRECTION:
        value = draw(st.sampled_from(("in", "out")))
    elif name is Field.KIND:
        value = draw(st.sampled_from(Kind)).value
    elif operator is Operator.DOMAIN_IS:
        value = draw(DOMAINS)
    elif operator is Operator.IS and Operator.DOMAIN_IS in operators_of(name):
        value = f"{draw(LABEL)}@{draw(DOMAINS)}"
    return Condition(field=name, operator=operator, value=value, is_not=is_not)


@st.composite
def rules(draw: st.DrawFn) -> Written:
    asked = tuple(draw(st.lists(conditions(), min_size=1, max_size=4)))
    acts = Acts(
        owner=draw(st.none() | VALUES),
        status=draw(st.none() | VALUES),
        file=draw(st.none() | VALUES),
        unread=draw(st.none() | st.booleans()),
        stop=draw(st.booleans()),
    )
    if acts == Acts():
        acts = Acts(stop=True)
    is_any = len(asked) > 1 and draw(st.booleans())
    return Written(When(conditions=asked, is_any=is_any), acts)


@settings(deadline=None)
@given(rules())
def test_M11_what_is_written_is_read_as_the_same_rule(rule: Written) -> None:
    assert read_rule(write_rule(rule)) == rule
    assert read_when(write_when(rule.when)) == rule.when


WORDS = st.sampled_from(
    [
        "subject",
        "from",
        "not",
        "and",
        "or",
        "is",
        "contains",
        "domain",
        "starts",
        "with",
        ":",
        ",",
        "=",
        "owner",
        "status",
        "stop",
        "unread",
        "yes",
        "size",
        "over",
        "5MiB",
        '"',
        "\\",
        "x",
        "has",
        "attachment",
        "é",
        "\x00",
        "a@b.example",
        "̸",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=60))
def test_M11_any_text_is_read_or_refused_and_what_was_read_is_written_the_same_again(
    text: str,
) -> None:
    try:
        rule = read_rule(text)
    except RuleSyntaxError as error:
        at = error.at
        event("refused")
    else:
        at = 0
        line = write_rule(rule)
        assert read_rule(line) == rule
        assert write_rule(read_rule(line)) == line
    assert 0 <= at <= len(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        (
            "Subject  CONTAINS invoice :owner=Anna,status = In progress",
            "subject contains invoice: owner = Anna, status = In progress",
        ),
        ("from is Anna@Rossi.EXAMPLE: stop", "from is anna@rossi.example: stop"),
        ("from domain is @Straße.example: stop", "from domain is xn--strae-oqa.example: stop"),
        ("size over 5120KiB: unread = YES", "size over 5MiB: unread = yes"),
        ('subject is not "a": stop', "not subject is a: stop"),
        ("not subject not contains a: stop", "subject contains a: stop"),
        ('subject contains "Re: you and me": stop', 'subject contains "Re: you and me": stop'),
        ("has attachment or kind is LIST: stop", "has attachment or kind is list: stop"),
        ('text contains "plain": stop', "text contains plain: stop"),
    ],
)
def test_M11_a_rule_is_shown_in_one_form(typed: str, canonical: str) -> None:
    assert write_rule(read_rule(typed)) == canonical


@pytest.mark.parametrize(
    ("typed", "at", "why"),
    [
        ("", 1, "a field is missing"),
        ("sujbect contains x: stop", 1, "did you mean subject?"),
        ("subject contians x: stop", 9, "did you mean contains?"),
        ("subject domain is x: stop", 9, "there are contains, is, starts with"),
        ("subject contains x", 19, "the acts follow after a colon"),
        ("subject contains x:", 20, "an act is missing"),
        ("subject contains x: ownr = Anna", 21, "did you mean owner?"),
        ("subject contains x: owner Anna", 27, "owner is followed by ="),
        ("subject contains x: owner = ", 29, "a value is missing"),
        ("subject contains x: stop, stop", 27, "stop is said twice"),
        ("subject contains x: unread = no, unread = no", 34, "unread is said twice"),
        ("subject contains x: unread = maybe", 30, "unread is yes or no"),
        (
            "subject contains x and text contains y or cc contains z: stop",
            40,
            "do not stand in one",
        ),
        ('subject contains "x: stop', 18, "not closed"),
        ('subject contains "\\x": stop', 19, "a backslash"),
        ('subject contains a "b": stop', 20, "the whole value"),
        ("subject contains x: stop: stop", 25, "parted by commas"),
        ("direction is up: stop", 14, "it is one of in, out"),
        ("size over much: stop", 11, "must be a size"),
        ("from is anna: stop", 9, "anna"),
        ("has value: stop", 5, "attachment"),
        ("subject contains a\u202eb: stop", 19, "cannot be seen"),
        ('subject contains "  ": stop', 18, "a value has"),
        (f"subject contains {'x' * (VALUE_MAX + 1)}: stop", 18, "a value has"),
        ("subject contains x: stop" + " " * TEXT_MAX, TEXT_MAX + 1, "longer than"),
        (" and ".join(["text is x"] * (CONDITIONS_MAX + 1)), 14 * CONDITIONS_MAX + 1, "at most"),
    ],
)
def test_M11_a_refusal_says_where_and_what_is_wrong(typed: str, at: int, why: str) -> None:
    with pytest.raises(RuleSyntaxError) as refused:
        read_rule(typed)
    assert str(refused.value).startswith(f"at character {at}: ")
    assert why in str(refused.value)


def a_letter(**more: Any) -> Letter:
    values: dict[str, Any] = {
        "from_": (Mailbox("Anna@Rossi.example", "Anna Rossi"),),
        "sender": Author("anna@rossi.example"),
        "to": (Mailbox("info@acme.example"), Mailbox("Marc@dupont.example", "Marc")),
        "cc": (Mailbox("not an address", "Zoë"),),
        "subject": "Invoice STRASSE 12",
        "text": "Dear all,\nplease pay.",
    }
    return Letter(**(values | more))


def seen(letter: Letter | None = None, **more: Any) -> Seen:
    values: dict[str, Any] = {
        "inbox": "info@acme.example",
        "size": 5000,
        "direction": "in",
        "clients": ("Rossi Bau",),
    }
    return Seen(letter or a_letter(), **(values | more))


@pytest.mark.parametrize(
    "condition",
    [
        "subject contains invoice",
        "subject contains straße",
        "subject starts with INV",
        'subject is "invoice strasse 12"',
        "text contains pay",
        "from is anna@rossi.example",
        "from domain is rossi.example",
        "from contains anna rossi",
        'from contains "<anna@"',
        "from starts with anna@",
        "to is marc@dupont.example",
        "to contains info",
        "cc contains zoë",
        "inbox is info@acme.example",
        "inbox domain is acme.example",
        "client is rossi bau",
        "direction is in",
        "kind is normal",
        "size over 4999",
        "size under 5001",
        "subject contains nothing or size over 1",
    ],
)
def test_M11_conditions_compare_as_people_read(condition: str) -> None:
    assert is_met(read_when(condition), seen())
    if " or " not in condition:
        assert not is_met(read_when(f"not {condition}"), seen())


@pytest.mark.parametrize(
    "condition",
    [
        "from domain is example",
        "from domain is bau.rossi.example",
        "to is anna@rossi.example",
        "cc domain is address",
        "original is anna@rossi.example",
        "has attachment",
        "client contains dupont",
        "size over 5000",
        "size under 5000",
        "subject contains invoice and text contains nothing",
        "attachment contains pdf",
    ],
)
def test_M11_what_is_not_there_is_not_met(condition: str) -> None:
    assert not is_met(read_when(condition), seen())


def test_M11_the_original_of_a_forward_and_attachments_can_be_asked_for() -> None:
    original = Forwarded(from_=Mailbox("anna@rossi.example"), how=How.INLINE, confidence=1.0)
    pdf = Attachment(name="Offer.PDF", type="application/pdf", size=1, path="2")
    found = seen(a_letter(forwarded=original, attachments=(pdf,)))
    assert is_met(read_when("original domain is rossi.example and has attachment"), found)
    assert is_met(read_when("attachment contains .pdf"), found)
    logo = Attachment(name="logo.png", type="image/png", size=1, path="2", inline=True)
    assert not is_met(read_when("has attachment"), seen(a_letter(attachments=(logo,))))


def test_M11_only_the_beginning_of_a_long_text_is_looked_at() -> None:
    text = "x" * SEARCHED_MAX + "invoice"
    assert not is_met(read_when("text contains invoice"), seen(a_letter(text=text)))
    assert is_met(read_when("text contains invoice"), seen(a_letter(text=text[7:])))


ANNA, JAN = Assignee(1, "Anna"), Assignee(2, "Jan")
WAITING, DONE = StatusRef(3, "Waiting"), StatusRef(4, "Done")
ROSSI, DUPONT = ClientRef(1, "Rossi Bau"), ClientRef(2, "Dupont")
ALWAYS = read_when("direction is in")


def a_rule(name: str, **more: Any) -> Rule:
    values: dict[str, Any] = {"id": len(name), "name": name, "when": ALWAYS}
    return Rule(**(values | more))


def heard(*rules: Rule, may_file: bool = True) -> tuple[Heard, list[str]]:
    trace = Trace()
    found = hear(rules, seen(), may_file=may_file, trace=trace)
    return found, [step.text for step in trace.steps]


def test_M11_of_each_act_the_first_rule_that_matches_counts() -> None:
    found, said = heard(
        a_rule("one", owner=ANNA),
        a_rule("no", when=read_when("direction is out"), status=DONE),
        a_rule("two", owner=JAN, status=WAITING, unread=False, client=ROSSI),
        a_rule("three", status=DONE, unread=True, client=DUPONT),
    )
    assert [rule.name for rule in found.rules] == ["one", "two", "three"]
    assert (found.owner, found.status, found.unread) == (ANNA, WAITING, False)
    assert (found.client, found.filed_by) == (ROSSI, "two")
    assert said[0] == "The rule “one” matches; it gives it to Anna."
    assert "it gives it to Jan, but an earlier rule decided that" in said[1]


def test_M11_after_stop_no_rule_is_heard() -> None:
    found, said = heard(a_rule("one", stops=True), a_rule("two", owner=JAN))
    assert [rule.name for rule in found.rules] == ["one"]
    assert found.owner is None
    assert said == ["The rule “one” matches; no further rule is heard."]


def test_M11_a_mail_that_has_its_client_is_not_filed_by_a_rule() -> None:
    found, said = heard(a_rule("one", client=ROSSI), may_file=False)
    assert found.client is None
    assert "it does not file it under Rossi Bau" in said[0]


def test_M11_who_cannot_own_mail_is_named_in_the_trace() -> None:
    gone = Assignee(5, "Ole", "is inactive")
    found, said = heard(a_rule("one", owner=gone), a_rule("two", owner=JAN))
    assert found.owner == gone  # The first counts, also when the mail cannot be theirs.
    assert "it would give it to Ole, who is inactive: the inbox's owners have it" in said[0]


@pytest.mark.parametrize("marks", ["\u0315\u0300", "\u0f73", "\u3099\u0300"])
def test_T6_a_run_of_marks_is_cut_before_it_is_sorted(marks: str) -> None:
    assert len(folded("a" + marks * 200 + "b")) <= 2 * MARKS_MAX + 2
    few = "a" + marks * (MARKS_MAX // len(marks))
    assert folded(few + "b" + few) == unicodedata.normalize("NFC", few + "b" + few)
