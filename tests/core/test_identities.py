"""Signing in through a provider: by issuer and subject, never by the address that it asserts (U10, T20)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from maild.core.addresses import add_address
from maild.core.app import OPERATOR, App
from maild.core.identities import (
    ASKING_LIFE,
    Asserted,
    attach_identity,
    detach_identity,
    keep_asking,
    kept_asking,
    sign_in_by,
)
from maild.core.people import set_active
from maild.core.sessions import SessionSeen, begin_session, look
from maild.model.reason import Reason, RefusedError
from maild.oauth.line import Line
from maild.oauth.oidc import Provider
from maild.store.login_tables import identities
from maild.store.people_tables import logins
from maild.testing.openid import OpenIdProvider, Person
from tests.core.conftest import Frozen
from tests.core.staff import EVA, JAN, PASSWORD, PEER, Staff, some_staff

ISSUER = "https://id.example/"
BACK = "https://mail.acme.example/oidc/corp"


def asserted(subject: str = "eva-at-corp", address: str | None = EVA) -> Asserted:
    return Asserted(provider="corp", issuer=ISSUER, subject=subject, address=address)


@pytest.fixture
def staff(app: App) -> Staff:
    return some_staff(app)


def session_of(staff: Staff, name: str = "eva") -> SessionSeen:
    begun = begin_session(staff.app, staff.sign_in(name, PASSWORD), peer=PEER)
    seen = look(staff.app, begun.secret)
    assert seen is not None
    return seen


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(RefusedError) as refused:
        act()
    return refused.value.reason


# -- what an assertion means -----------------------------------------------------------------------------------------


def test_U10_an_attached_identity_signs_in(staff: Staff) -> None:
    attach_identity(staff.app, session_of(staff), asserted())
    assert sign_in_by(staff.app, asserted()).by == staff.actor(EVA)


def test_T20_an_asserted_address_never_signs_in_by_itself(staff: Staff) -> None:
    assert refusal(lambda: sign_in_by(staff.app, asserted())) is Reason.PROVIDER_REFUSED


def test_U10_the_subject_counts_whatever_the_address_becomes(staff: Staff) -> None:
    attach_identity(staff.app, session_of(staff), asserted())
    for address in (JAN, None, "new@elsewhere.example"):
        assert sign_in_by(staff.app, asserted(address=address)).by == staff.actor(EVA)


def test_U10_the_same_subject_of_another_issuer_is_somebody_else(staff: Staff) -> None:
    attach_identity(staff.app, session_of(staff), asserted())
    other = Asserted(
        provider="corp", issuer="https://id.example", subject="eva-at-corp", address=EVA
    )
    assert refusal(lambda: sign_in_by(staff.app, other)) is Reason.PROVIDER_REFUSED


@pytest.mark.parametrize("address", [JAN, "nobody@acme.example", None, "no address", ""])
def test_T20_an_identity_is_attached_by_an_own_address_only(
    staff: Staff, address: str | None
) -> None:
    session = session_of(staff)
    attach = asserted(address=address)
    assert refusal(lambda: attach_identity(staff.app, session, attach)) is Reason.PROVIDER_REFUSED
    assert refusal(lambda: sign_in_by(staff.app, attach)) is Reason.PROVIDER_REFUSED


def test_T20_an_own_address_that_is_not_confirmed_attaches_nothing(staff: Staff) -> None:
    add_address(staff.app, EVA, "eva@home.example", sends_as=False, confirm=False, by=OPERATOR)
    session, attach = session_of(staff), asserted(address="eva@home.example")
    assert refusal(lambda: attach_identity(staff.app, session, attach)) is Reason.PROVIDER_REFUSED


def test_T20_an_identity_that_is_somebodys_is_not_attached_again(staff: Staff) -> None:
    attach_identity(staff.app, session_of(staff), asserted())
    session, attach = session_of(staff, "jan"), asserted(address=JAN)
    assert refusal(lambda: attach_identity(staff.app, session, attach)) is Reason.PROVIDER_REFUSED
    assert sign_in_by(staff.app, asserted()).by == staff.actor(EVA)


def test_U10_attaching_again_changes_nothing_and_tells_nobody(staff: Staff) -> None:
    session = session_of(staff)
    attach_identity(staff.app, session, asserted())
    told = len(staff.mails())
    attach_identity(staff.app, session, asserted())
    assert len(staff.mails()) == told == 1


def test_U10_the_person_is_told_that_an_identity_was_attached(staff: Staff) -> None:
    attach_identity(staff.app, session_of(staff), asserted())
    assert [mail["to"] for mail in staff.mails()] == [EVA]


def test_U10_a_detached_identity_signs_nobody_in_and_ends_the_sessions(staff: Staff) -> None:
    session = session_of(staff)
    attach_identity(staff.app, session, asserted())
    begun = begin_session(staff.app, sign_in_by(staff.app, asserted()), peer=PEER)
    detach_identity(staff.app, EVA, ISSUER, "eva-at-corp", by=session.by)
    assert refusal(lambda: sign_in_by(staff.app, asserted())) is Reason.PROVIDER_REFUSED
    assert look(staff.app, begun.secret) is None


def test_U10_a_disabled_users_identity_hears_what_a_stranger_hears(staff: Staff) -> None:
    attach_identity(staff.app, session_of(staff, "jan"), asserted("jan", JAN))
    set_active(staff.app, JAN, active=False, by=OPERATOR)
    assert refusal(lambda: sign_in_by(staff.app, asserted("jan", JAN))) is Reason.SIGN_IN_REFUSED


@pytest.mark.parametrize("table", [logins, identities])
def test_U11_a_suspended_login_or_identity_says_to_sign_up_again(staff: Staff, table: Any) -> None:
    attach_identity(staff.app, session_of(staff), asserted())
    with staff.suspended(table):
        assert refusal(lambda: sign_in_by(staff.app, asserted())) is Reason.SIGN_UP_REQUIRED


# -- the provider ----------------------------------------------------------------------------------------------------


@pytest.fixture
def remote() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as remote:
        yield remote


def ours(remote: OpenIdProvider, **more: Any) -> Provider:
    plan: dict[str, Any] = {
        "name": "corp",
        "issuer": remote.url,
        "client_id": remote.client_id,
        "client_secret": remote.client_secret,
        "line": Line(timeout=10, is_clear_allowed=True),
        "clock": lambda: datetime.now(UTC),
    }
    return Provider(**(plan | more))


THEIRS = Person(subject="248289", email=EVA)


def signed_in(remote: OpenIdProvider, person: Person = THEIRS, **more: Any) -> Asserted:
    """Go through it all as a browser does."""
    provider = ours(remote, **more)
    url, asking = provider.begin(BACK)
    return provider.finish(asking, remote.consent(url, person))


def test_OIDC_a_person_signs_in_at_the_provider(remote: OpenIdProvider) -> None:
    assert signed_in(remote) == Asserted(
        provider="corp", issuer=remote.url, subject="248289", address=EVA
    )


def test_OIDC_a_provider_that_takes_the_secret_in_the_form(remote: OpenIdProvider) -> None:
    remote.methods = ["client_secret_post"]
    assert signed_in(remote).subject == "248289"


@pytest.mark.parametrize("verified", [False, None, "true", 1, "false"])
def test_T20_an_address_counts_only_where_it_is_asserted_as_verified(
    remote: OpenIdProvider, verified: object
) -> None:
    person = Person(subject="248289", email=EVA, email_verified=verified)
    assert signed_in(remote, person).address is None


NOW = int(datetime.now(UTC).timestamp())


@pytest.mark.parametrize(
    "says",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example/"},
        {"iss": None},
        {"aud": "another client"},
        {"aud": ["maild-here", "another"]},
        {"aud": ["maild-here", "another"], "azp": "another"},
        {"aud": None},
        {"exp": NOW - 3600},
        {"exp": None},
        {"iat": NOW + 3600},
        {"nbf": NOW + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
)
def test_OIDC_an_id_token_with_one_wrong_claim_is_not_believed(
    remote: OpenIdProvider, says: dict[str, Any]
) -> None:
    remote.says = says
    assert refusal(lambda: signed_in(remote)) is Reason.PROVIDER_REFUSED


def test_OIDC_an_id_token_signed_by_another_key_is_not_believed(remote: OpenIdProvider) -> None:
    remote.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    assert refusal(lambda: signed_in(remote)) is Reason.PROVIDER_REFUSED


def test_OIDC_an_id_token_signed_with_the_shared_secret_is_not_believed(
    remote: OpenIdProvider,
) -> None:
    remote.signs_with = OctKey.import_key(remote.client_secret.encode() * 2)
    remote.algorithm = "HS256"
    assert refusal(lambda: signed_in(remote)) is Reason.PROVIDER_REFUSED


def test_OIDC_an_id_token_without_a_signature_is_not_believed(
    remote: OpenIdProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = remote._id_token

    def unsigned(*asked: Any) -> str:
        _, claims, _ = right(*asked).split(".")
        return f"eyJhbGciOiJub25lIn0.{claims}."

    monkeypatch.setattr(remote, "_id_token", unsigned)
    assert refusal(lambda: signed_in(remote)) is Reason.PROVIDER_REFUSED


@pytest.mark.parametrize(
    "came", [{"state": "another"}, {"state": ""}, {"iss": "https://evil.example/"}, {"code": "x"}]
)
def test_OIDC_an_answer_to_another_question_is_not_believed(
    remote: OpenIdProvider, came: dict[str, str]
) -> None:
    provider = ours(remote)
    url, asking = provider.begin(BACK)
    answer = remote.consent(url, THEIRS) | came
    assert refusal(lambda: provider.finish(asking, answer)) is Reason.PROVIDER_REFUSED


def test_OIDC_who_says_no_there_is_not_signed_in_and_nothing_is_asked(
    remote: OpenIdProvider,
) -> None:
    provider = ours(remote)
    _, asking = provider.begin(BACK)
    remote.asked.clear()
    came = {"error": "access_denied", "state": asking.state}
    assert refusal(lambda: provider.finish(asking, came)) is Reason.PROVIDER_REFUSED
    assert remote.asked == []


def test_OIDC_a_code_of_another_browser_does_not_fit_the_verifier(remote: OpenIdProvider) -> None:
    provider = ours(remote)
    url, _ = provider.begin(BACK)
    stolen = remote.consent(url, THEIRS)
    _, asking = provider.begin(BACK)
    came = stolen | {"state": asking.state}
    assert refusal(lambda: provider.finish(asking, came)) is Reason.PROVIDER_REFUSED


def test_OIDC_a_code_is_good_once(remote: OpenIdProvider) -> None:
    provider = ours(remote)
    url, asking = provider.begin(BACK)
    came = remote.consent(url, THEIRS)
    provider.finish(asking, came)
    assert refusal(lambda: provider.finish(asking, came)) is Reason.PROVIDER_REFUSED


@pytest.mark.parametrize(
    "discovers",
    [
        {"issuer": "https://evil.example/"},
        {"issuer": None},
        {"authorization_endpoint": None},
    ],
)
def test_OIDC_a_discovery_document_that_is_not_its_own_is_not_followed(
    remote: OpenIdProvider, discovers: dict[str, Any]
) -> None:
    remote.discovers = discovers
    assert refusal(lambda: ours(remote).begin(BACK)) is Reason.PROVIDER_REFUSED


def test_OIDC_a_token_endpoint_in_clear_elsewhere_is_not_asked(remote: OpenIdProvider) -> None:
    remote.discovers = {"token_endpoint": "http://id.example/token"}
    assert refusal(lambda: signed_in(remote)) is Reason.PROVIDER_REFUSED


@pytest.mark.parametrize("status", [400, 404, 500, 302])
def test_OIDC_a_provider_that_is_broken_is_a_refusal_in_words(
    remote: OpenIdProvider, status: int
) -> None:
    remote.status = status
    assert refusal(lambda: ours(remote).begin(BACK)) is Reason.PROVIDER_REFUSED


def test_D7_no_refusal_tells_the_clients_secret_or_the_code(remote: OpenIdProvider) -> None:
    provider = ours(remote, client_secret="a wrong canary")
    url, asking = provider.begin(BACK)
    came = remote.consent(url, THEIRS)
    with pytest.raises(RefusedError) as refused:
        provider.finish(asking, came)
    shown = [refused.value, refused.value.__context__, refused.value.__cause__, provider, asking]
    for secret in ("canary", came["code"], asking.verifier, asking.state):
        assert not any(secret in repr(one) for one in shown)


# -- between the two -------------------------------------------------------------------------------------------------


def test_OIDC_what_a_browser_keeps_is_opened_again(staff: Staff, remote: OpenIdProvider) -> None:
    _, asking = ours(remote).begin(BACK)
    kept = keep_asking(staff.app, asking)
    assert asking.state not in kept
    assert kept_asking(staff.app, "corp", kept) == asking


def test_OIDC_what_a_browser_keeps_ends_and_is_for_one_provider(
    staff: Staff, remote: OpenIdProvider, clock: Frozen
) -> None:
    _, asking = ours(remote).begin(BACK)
    kept = keep_asking(staff.app, asking)
    for provider, text in (("other", kept), ("corp", kept[:-4] + "AAAA"), ("corp", "")):
        act = lambda provider=provider, text=text: kept_asking(staff.app, provider, text)  # noqa: E731 - three in a row
        assert refusal(act) is Reason.PROVIDER_REFUSED
    clock.advance(ASKING_LIFE + timedelta(seconds=1))
    assert refusal(lambda: kept_asking(staff.app, "corp", kept)) is Reason.PROVIDER_REFUSED
