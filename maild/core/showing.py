"""Mails as pages that a browser may open: safe whatever is in them, with the header that keeps them so (M13; ux.md 2.1).

What a page is, a worker process says; here is who may see it, what the browser is told, and what is kept.  Only reads.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from maild.core.app import Actor, App
from maild.core.documents import iso
from maild.core.opening import Shower
from maild.core.tickets import Purpose, Ticket, opened_ticket, sealed_ticket
from maild.core.views import bytes_of, visible_mail
from maild.model.letter import PARSER_VERSION, Letter, UnreadableError
from maild.model.plain_text import short
from maild.model.reason import Reason, RefusedError
from maild.model.shown import SHOWING_VERSION, NoSuchPartError, Shown, What, Wish
from maild.model.states import State
from maild.parse import codec
from maild.parse.pages import plain_page
from maild.parse.pool import ReaderDiedError
from maild.store.mailbox import EntryRow
from maild.store.store import Tx

KEPT_OCTETS = 32 * 1024 * 1024
"""How much of pages one process keeps at hand."""
KEPT_PAGE = 2 * 1024 * 1024
"""Larger pages are made anew each time."""
_NAME = 16
_READ_AS_TEXT = frozenset({State.HELD, State.FAILED})
"""Mail of which nobody knows yet whom it is from: its text is shown unless its HTML is asked for (ux.md 2.1)."""


class Showing:
    """Shows mails and keeps the pages that it made, by account, content and version; safe for threads."""

    def __init__(self, shower: Shower, kept: int = KEPT_OCTETS) -> None:
        """Keep nothing yet."""
        self._shower = shower
        self._most = kept
        self._octets = 0
        self._pages: OrderedDict[tuple[object, ...], tuple[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def read_many(self, items: Iterable[bytes | Path]) -> Iterator[Letter | Exception]:
        """Read mails, as a reader does."""
        return self._shower.read_many(items)

    def show(self, raw: bytes | Path, wish: Wish) -> Shown:
        """Return what is wished, made now."""
        return self._shower.show(raw, wish)

    def page(self, whose: tuple[int, str], raw: bytes | Path, wish: Wish) -> tuple[str, bytes]:
        """Return a page, and the name that stands in it for a ticket; `whose` is the account and the digest."""
        key = (*whose, wish.path, wish.plain, wish.images, SHOWING_VERSION, PARSER_VERSION)
        with self._lock:
            if (found := self._pages.get(key)) is not None:
                self._pages.move_to_end(key)
                return found
        # Chance that no mail can foresee: nothing else in the page is replaced with it.
        name = secrets.token_hex(_NAME)
        content = self._shower.show(raw, replace(wish, name=name)).octets
        if len(content) <= KEPT_PAGE:
            self._keep(key, (name, content))
        return name, content

    def _keep(self, key: tuple[object, ...], made: tuple[str, bytes]) -> None:
        with self._lock:
            self._octets += len(made[1]) - len(self._pages.pop(key, ("", b""))[1])
            self._pages[key] = made
            while self._octets > self._most:
                _, (_, oldest) = self._pages.popitem(last=False)
                self._octets -= len(oldest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to see of a mail."""

    plain: bool | None = None
    """The text, or the HTML; None: the text of mail that is held, and otherwise the HTML where there is one."""
    within: str = ""
    """The attached mail that is meant, by its part; empty: the mail itself."""
    pictures: str = ""
    """Where pictures of the mail are had, as a path with {id}; empty: the page has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A page as it is served."""

    content: bytes
    type: str
    header: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTicket:
    """Opens a mail's page without a token for a while."""

    ticket: str
    expires_at: str
    images: bool


def show_html(
    app: App, showing: Showing, ulid: str, asked: Asked, *, by: Actor, images: bool = False
) -> Document:
    """Return a mail as a page, whatever is in it, with the header that it must be served with (M13).

    A mail that cannot be read is a page, too, which says so.  With `images` the browser loads pictures from elsewhere;
    maild itself never does.  Raises RefusedError NOT_FOUND, NOT_ALLOWED, CONFLICT (erased).
    """
    return _document(app, showing, ulid, asked, Ticket(by=by, images=images))


def _document(app: App, showing: Showing, ulid: str, asked: Asked, terms: Ticket) -> Document:
    with app.store.read() as tx:
        row = visible_mail(tx, ulid, terms.by)
        content = bytes_of(app, tx, row)
        body = tx.views.body(row.id)
        stored = _stored_text(tx, row)
    plain = row.state in _READ_AS_TEXT if asked.plain is None else asked.plain
    wish = Wish(what=What.PAGE, path=asked.within, plain=plain, images=terms.images)
    place = asked.pictures.replace("{id}", row.ulid)
    try:
        name, page = showing.page((body.account_id, body.digest), content, wish)
    except NoSuchPartError:
        raise no_part(ulid, asked.within) from None
    except UnreadableError as error:
        page = plain_page("", [f"This mail could not be read. {error}"])
    except ReaderDiedError as error:
        text = stored if not asked.within else ""
        page = plain_page(text, [f"Only the text of this mail is shown. {error}"])
    else:
        page = page.replace(name.encode(), _ticket(app, row.ulid, terms).encode())
    header = _header(app, place, images=terms.images)
    return Document(content=page, type="text/html; charset=utf-8", header=header)


def ticket_for(app: App, ulid: str, *, by: Actor, images: bool = False) -> MadeTicket:
    """Return a ticket for a mail's page, for some minutes; `images`: it may load pictures from elsewhere.

    Stores nothing.  Raises RefusedError NOT_FOUND, NOT_ALLOWED, CONFLICT without a key.
    """
    with app.store.read() as tx:
        row = visible_mail(tx, ulid, by)
    sealed, until = sealed_ticket(app, Purpose.PAGE, row.ulid, Ticket(by=by, images=images))
    return MadeTicket(ticket=sealed, expires_at=iso(until), images=images)


def show_by_ticket(app: App, showing: Showing, ulid: str, ticket: str, asked: Asked) -> Document:
    """Return a mail as a page to whoever has a ticket for it.  Raises as `show_html`, and RefusedError TICKET_REFUSED."""
    terms = opened_ticket(app, Purpose.PAGE, ulid, ticket)
    return _document(app, showing, ulid, asked, terms)


def _stored_text(tx: Tx, row: EntryRow) -> str:
    stored = tx.deliveries.readings([row.message_id], PARSER_VERSION).get(row.message_id)
    letter = None if stored is None else codec.load_or_none(stored)
    return "" if letter is None else letter.text


def _ticket(app: App, ulid: str, terms: Ticket) -> str:
    """Return what opens the pictures that a mail brings; without a key they stay away."""
    if app.key is None:
        return "none"
    return sealed_ticket(app, Purpose.PICTURES, ulid, replace(terms, images=False))[0]


def no_part(ulid: str, path: str) -> RefusedError:
    """Return the refusal of a part that a mail does not have."""
    return RefusedError(
        Reason.NOT_FOUND,
        noun="part",
        value=short(path),
        hint=f"`maild mail show {short(ulid)}` lists the parts of the mail.",
    )


def _header(app: App, pictures: str, *, images: bool) -> dict[str, str]:
    """Return what keeps a page from doing anything but being read, should all else have failed."""
    own = f"{app.public_url.rstrip('/')}{pictures}" if app.public_url and pictures else "'self'"
    policy = (
        "sandbox allow-popups allow-popups-to-escape-sandbox",
        "default-src 'none'",
        f"img-src {own} data:{' https:' if images else ''}",
        "style-src 'unsafe-inline'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-DNS-Prefetch-Control": "off",
        "Cache-Control": "private",
    }
