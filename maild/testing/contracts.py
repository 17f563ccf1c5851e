"""What a plug promises, as checks for whoever writes one: call the one of its kind in your tests.

    def test_my_crm_keeps_the_contract() -> None:
        directory_keeps_contract(lambda: MyCrm({"url": "http://127.0.0.1:9/"}))

Each takes what makes a plug anew, because maild does: the next page may be asked of another process.  Raises
BrokenContractError with a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from maild.model.client_card import ClientPage
from maild.model.envelope import Door, Envelope
from maild.model.letter import Letter
from maild.plugs.contracts import Directory, News, Notifier, Opinion, Screen
from maild.plugs.loader import PlugError, said
from maild.plugs.pages import page_of, page_to_json
from maild.testing.letters import a_letter

PAGES_MAX = 10_000
"""Pages that a walk from the first to the end may have."""
_AT = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)


class BrokenContractError(AssertionError):
    """A plug does something else than what it promised."""


def directory_keeps_contract(
    make: Callable[[], Directory], account: str = "acme", *, is_still: bool = True
) -> None:
    """Walk through a directory as maild does; `is_still`: nobody changes it meanwhile.

    It is walked from the first to its end, with a new copy of the plug for each page; every page is what the contract
    says and can be asked for again; no cursor comes back; behind the last page is nothing; and a cursor that was never
    its own begins from the first.
    """
    first = _page(make, account, None)
    seen: set[str] = set()
    page, since = first, None
    while True:
        if is_still and _page(make, account, since) != page:
            raise BrokenContractError(
                f"The page behind {since!r} is another one when it is asked for again, by a new copy of the plug."
            )
        if page.more and page.cursor in seen:
            raise BrokenContractError(
                f"The cursor {page.cursor!r} comes back: the walk would never end."
            )
        seen.add(page.cursor)
        if len(seen) > PAGES_MAX:
            raise BrokenContractError(f"It has more than {PAGES_MAX} pages, or does not end.")
        if not page.more:
            break
        since = page.cursor
        page = _page(make, account, since)
    after = _page(make, account, page.cursor)
    if is_still and (after.more or after.clients or after.gone):
        raise BrokenContractError("Behind the last page, where nothing changed, is something.")
    if is_still and _page(make, account, "never-a-cursor-of-yours") != first:
        raise BrokenContractError("A cursor that it never gave does not begin from the first.")


def _page(make: Callable[[], Directory], account: str, since: str | None) -> ClientPage:
    try:
        page = make().changes(account, since)
    except Exception as error:
        raise BrokenContractError(f"changes({since!r}) raises {said(error)}") from error
    try:
        kept = page_of(json.loads(page_to_json(page)))
    except PlugError as error:
        raise BrokenContractError(str(error)) from error
    if kept != page:
        raise BrokenContractError(
            "A page holds lists where tuples belong, or values that are no plain texts."
        )
    return page


def notifier_keeps_contract(make: Callable[[], Notifier]) -> None:
    """Tell news, the same twice, and of a kind that it cannot know: maild adds kinds."""
    for kind in ("mail.filed", "mail.filed", "a.kind.of.tomorrow"):
        news = News(key=f"{kind}:1", kind=kind, account="acme", at=_AT, subject="01ARZ3NDEK")
        try:
            tell: Callable[[News], object] = make().tell
            told = tell(news)
        except Exception as error:
            raise BrokenContractError(f"tell() of {kind} raises {said(error)}") from error
        if told is not None:
            raise BrokenContractError("tell() returns something; what did not go is to raise.")


def screen_keeps_contract(make: Callable[[], Screen], letter: Letter | None = None) -> None:
    """Ask twice about the same mail, of two copies of the plug, and about one that says next to nothing."""
    envelope = Envelope(
        door=Door.SMTP,
        mail_from="",
        recipients=("info@acme.example",),
        peer="192.0.2.1",
        received_at=_AT,
    )
    for one in (letter or a_letter(), a_letter("x@y.test", to=())):
        opinions = [_opinion(make, one, envelope) for _ in range(2)]
        if opinions[0] != opinions[1]:
            raise BrokenContractError(
                f"Asked twice of one mail it says {opinions[0]!r}, then {opinions[1]!r}."
            )


def _opinion(make: Callable[[], Screen], letter: Letter, envelope: Envelope) -> Opinion | None:
    try:
        found: object = make().ask(letter, envelope)
    except Exception as error:
        raise BrokenContractError(f"ask() raises {said(error)}") from error
    if found is not None and not (isinstance(found, Opinion) and found.why.strip()):
        raise BrokenContractError(
            f"ask() returns {found!r}, and not None or an Opinion with a why."
        )
    return found
