"""F4: a client's reference in a subject or a +tag files a mail, for users and for those who belong to the client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from maild.core.accounts import add_account
from maild.core.app import OPERATOR, Actor, App
from maild.core.clients import NewClient, add_client
from maild.core.people import NewUser, add_user
from maild.core.references import ClientReference, client_reference, reference_of
from maild.core.seal import SealingKey
from maild.core.views import explain_mail
from maild.model.people import Role
from maild.model.reason import Reason, RefusedError
from maild.model.reference import FOUND_MAX, number_of
from tests.core.company import EVA, SIGNED_IN, Post, a_company
from tests.core.firm import FORWARD, refusal

CRM, INFO = "crm@acme.example", "info@acme.example"
USER, ANNA, MARC = "eva@acme.example", "anna@rossi.example", "marc@dupont.example"
NINA = "nina@novum.example"
KEY = SealingKey.of("0123456789abcdef" * 3)


@pytest.fixture
def post(app: App) -> Post:
    a_company(app)
    return Post(replace(app, key=KEY))


@pytest.fixture
def novum(post: Post) -> ClientReference:
    """A client without any address."""
    added = add_client(post.app, NewClient(name="Novum"), by=OPERATOR)
    return client_reference(post.app, added.id, by=Actor(EVA))


def sent(
    post: Post,
    from_: str,
    subject: str,
    *,
    at: str = INFO,
    to: str = "",
    body: str = "Hello",
    proven: bool = False,
    **more: Any,
) -> tuple[str, str, list[str]]:
    """Send a mail; return state, reason and clients."""
    content = post.mail(from_, to=to or at, body=body, **more)
    head, _, rest = content.partition(b"Subject: ")
    content = head + f"Subject: {subject}\r\n".encode() + rest.partition(b"\r\n")[2]
    [answer] = post.send(content, at, trust=SIGNED_IN if proven else None)
    assert answer.is_accepted
    post.decide()
    row = post.lies()[-1]
    return str(row["state"]), row["reason"], [one["name"] for one in row["clients"]]


def said(post: Post) -> str:
    found = explain_mail(post.app, post.lies()[-1]["ulid"], by=OPERATOR)
    return " ".join(step["text"] for step in found["trace"])


NOVUM = ("filed", "FILED_TOKEN", ["Novum"])


def test_F4_a_user_is_told_what_to_write(novum: ClientReference) -> None:
    assert novum.subject == f"[#{novum.reference}]"
    tag = novum.reference.lower()
    assert novum.addresses == (
        f"crm+{tag}@acme.example",
        f"info+{tag}@acme.example",
        f"small+{tag}@acme.example",
    )


def test_F4_a_users_forward_goes_to_the_client_whose_reference_is_in_the_subject(
    post: Post, novum: ClientReference
) -> None:
    subject = f"Fwd: Order {novum.subject.lower()}"
    assert sent(post, USER, subject, at=CRM, body=FORWARD, proven=True) == NOVUM
    assert f"It quotes {novum.subject}, the reference of Novum." in said(post)


def test_F4_or_in_the_tag_of_the_address(post: Post, novum: ClientReference) -> None:
    at = novum.addresses[0]
    assert sent(post, USER, "Fwd: Order", at=at, to=CRM, body=FORWARD, proven=True) == NOVUM
    assert sent(post, USER, "Fwd: Order", at=CRM, to=at, body=FORWARD, proven=True) == NOVUM


def test_F4_a_reference_files_a_forward_whose_original_cannot_be_read(
    post: Post, novum: ClientReference
) -> None:
    body = FORWARD.replace("Anna Rossi <anna@rossi.example>", "Anna")
    at = novum.addresses[0]
    assert sent(post, USER, "Fwd: Order", at=at, body=body, proven=True) == NOVUM


def test_F4_who_only_claims_to_be_a_user_files_nothing(post: Post, novum: ClientReference) -> None:
    assert sent(post, USER, novum.subject)[:2] == ("unfiled", "CLIENT_NOT_FOUND")
    assert sent(post, USER, novum.subject, at=CRM)[:2] == ("held", "SENDER_NOT_VERIFIED")


def test_F4_a_stranger_who_quotes_a_reference_gets_in_nowhere(
    post: Post, novum: ClientReference
) -> None:
    assert sent(post, NINA, novum.subject)[:2] == ("unfiled", "CLIENT_NOT_FOUND")
    assert sent(post, NINA, "Hi", at=novum.addresses[1])[:2] == ("unfiled", "CLIENT_NOT_FOUND")
    assert f"It quotes {novum.subject}, the reference of Novum, but nobody" in said(post)


def test_F4_another_clients_contact_stays_with_its_own_client(
    post: Post, novum: ClientReference
) -> None:
    assert sent(post, ANNA, novum.subject) == ("filed", "FILED_CONTACT", ["Rossi Bau"])


def test_F4_to_whom_a_user_wrote_about_the_client_may_answer_with_its_reference(
    post: Post, novum: ClientReference
) -> None:
    subject = f"Offer {novum.subject}"
    written = sent(post, USER, subject, at=CRM, to=NINA, proven=True)
    assert written == ("filed", "FILED_TOKEN", ["Novum"])
    assert sent(post, NINA, f"AW: {subject}") == NOVUM


def test_F4_a_reference_says_which_of_its_two_clients_a_contact_means(post: Post) -> None:
    added = add_client(post.app, NewClient(name="Bianchi", contacts=[ANNA]), by=OPERATOR)
    reference = client_reference(post.app, added.id, by=OPERATOR)
    assert sent(post, ANNA, "Order")[:2] == ("unfiled", "CLIENT_AMBIGUOUS")
    assert sent(post, ANNA, reference.subject) == ("filed", "FILED_TOKEN", ["Bianchi"])
    mail = sent(post, USER, reference.subject, at=CRM, to=ANNA, proven=True)
    assert mail == ("filed", "FILED_TOKEN", ["Bianchi"])


def test_F4_what_the_originals_author_wrote_into_the_subject_is_not_the_users_word(
    post: Post, novum: ClientReference
) -> None:
    subject = f"Fwd: {novum.subject} Order"
    body = FORWARD.replace("Subject: Order", f"Subject: {novum.subject} Order")
    mail = sent(post, USER, subject, at=CRM, body=body, proven=True)
    assert mail == ("filed", "FILED_FORWARD", ["Rossi Bau"])


@pytest.mark.parametrize("read", ["", "Subject: harmless\r\n", "Subject: {} Order\r\n"])
def test_F4_a_subject_that_is_not_the_originals_with_a_reference_put_to_it_is_nobodys_word(
    post: Post, novum: ClientReference, read: str
) -> None:
    lines = read.format("[#1] " * FOUND_MAX + novum.subject)
    body = FORWARD.replace("Subject: Order\r\n", lines)
    assert body != FORWARD
    subject = f"Fwd: {'[#1] ' * (FOUND_MAX - 1)}{novum.subject} Order"
    mail = sent(post, USER, subject, at=CRM, body=body, proven=True)
    assert mail == ("filed", "FILED_FORWARD", ["Rossi Bau"])


def test_F4_a_reference_may_be_put_anywhere_into_a_forwards_subject(
    post: Post, novum: ClientReference
) -> None:
    body = FORWARD.replace("Subject: Order", "Subject: Order  of a Roof")
    subject = f"WG: order {novum.subject} of a roof, please file"
    assert sent(post, USER, subject, at=CRM, body=body, proven=True) == NOVUM


def test_F4_nor_is_what_stands_in_an_answer_to_a_stranger(
    post: Post, novum: ClientReference
) -> None:
    more = "In-Reply-To: <strangers@novum.example>\r\n"
    subject, at = f"Re: {novum.subject}", novum.addresses[0]
    mail = sent(post, USER, subject, at=CRM, to=NINA, proven=True, more=more)
    assert mail[:2] == ("held", "CLIENT_NOT_FOUND")
    # The stranger's own Cc comes back with an answer to all, too.
    copied = sent(post, USER, subject, at=at, to=f"{NINA}, {at}", proven=True, more=more)
    assert copied[:2] == ("held", "CLIENT_NOT_FOUND")
    # A Bcc is the user's.
    assert sent(post, USER, subject, at=at, to=NINA, proven=True, more=more) == NOVUM


def test_F3_whom_a_captured_mail_is_written_to_comes_before_what_it_quotes(
    post: Post, novum: ClientReference
) -> None:
    mail = sent(post, USER, novum.subject, at=CRM, to=ANNA, proven=True)
    assert mail == ("filed", "FILED_CAPTURE", ["Rossi Bau"])


def test_F5_references_of_two_clients_are_never_guessed(post: Post, novum: ClientReference) -> None:
    other = client_reference(
        post.app, add_client(post.app, NewClient(name="Bianchi"), by=OPERATOR).id, by=OPERATOR
    )
    subject = f"{novum.subject} {other.subject}"
    mail = sent(post, USER, subject, at=CRM, to=NINA, proven=True)
    assert mail[:2] == ("held", "CLIENT_NOT_FOUND")
    assert "references of several clients" in said(post)


def test_F4_what_nobody_made_with_this_key_means_nothing(
    post: Post, novum: ClientReference
) -> None:
    number, _, check = novum.reference.partition("-")
    for forged in (f"{number}-{check[::-1]}", f"1-{check}", f"ZZZZZ-{check}"):
        mail = sent(post, USER, f"[#{forged}]", at=CRM, to=NINA, proven=True)
        assert mail[:2] == ("held", "CLIENT_NOT_FOUND")
        assert "reference" not in said(post)


def test_F4_a_reference_of_another_account_means_nothing_here(post: Post) -> None:
    add_account(post.app, slug="beta", name="Beta", by=OPERATOR)
    olga = NewUser(email="olga@beta.example", name="Olga", role=Role.ADMIN)
    add_user(post.app, olga, account="beta", by=OPERATOR)
    theirs = add_client(post.app, NewClient(name="Secret"), account="beta", by=OPERATOR)
    reference = client_reference(post.app, theirs.id, account="beta", by=OPERATOR)
    mail = sent(post, USER, reference.subject, at=CRM, to=NINA, proven=True)
    assert mail[:2] == ("held", "CLIENT_NOT_FOUND")
    assert "Secret" not in said(post)
    assert reference_of(KEY, 1, number_of(reference.reference)) != reference.reference
    with refusal(Reason.NOT_FOUND):
        client_reference(post.app, theirs.id, account="acme", by=Actor(EVA))


def test_F4_without_a_key_there_are_no_references(post: Post) -> None:
    with pytest.raises(RefusedError) as caught:
        client_reference(replace(post.app, key=None), "C1", by=OPERATOR)
    assert caught.value.reason is Reason.CONFLICT
    assert "secret_key_file" in str(caught.value)
