"""The store: one database, one folder of large bodies, and transactions over both."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection

from maild.store.absences import AbsenceRows
from maild.store.answering import AnsweringRows
from maild.store.archives import ArchiveRows
from maild.store.bodies import BodyFiles
from maild.store.chosen import ChosenRows
from maild.store.client_lists import ClientListRows
from maild.store.clients import ClientRows
from maild.store.counting import CountingRows
from maild.store.deliveries import DeliveryRows
from maild.store.digest import DigestRows
from maild.store.directories import DirectoryRows
from maild.store.drops import DropRows
from maild.store.engine import Database
from maild.store.erasing import ErasingRows
from maild.store.facts import DecisionRows
from maild.store.feed import FeedRows
from maild.store.handing import HandingRows
from maild.store.healing import HealingRows
from maild.store.identities import IdentityRows
from maild.store.inbox_keys import InboxKeyRows
from maild.store.indexing import IndexingRows
from maild.store.intake import IntakeRows
from maild.store.kept_answers import KeptAnswerRows
from maild.store.leaving import LeavingRows
from maild.store.ledger import LedgerRows
from maild.store.lists import ListRows
from maild.store.logins import LoginRows
from maild.store.mailbox import MailboxRows
from maild.store.marks import MarkRows
from maild.store.merging import MergeRows
from maild.store.notices import NoticeRows
from maild.store.outbox import OutboxRows
from maild.store.people import PeopleRows
from maild.store.people_changes import ChangeRows
from maild.store.profiles import ProfileRows
from maild.store.reopening import ReopeningRows
from maild.store.rights import RightsRows
from maild.store.rules import RuleRows
from maild.store.searched_names import SearchedNames
from maild.store.sessions import SessionRows
from maild.store.settling import SettlingRows
from maild.store.sources import LeaseRows, SourceRows
from maild.store.standing_rulings import StandingRows
from maild.store.sweeps import SweepRows
from maild.store.templates import TemplateRows
from maild.store.threads import ThreadRows
from maild.store.throttles import ThrottleRows
from maild.store.tokens import TokenRows
from maild.store.undoing import UndoRows
from maild.store.verdicts import VerdictRows
from maild.store.verifications import VerificationRows
from maild.store.views import ViewRows
from maild.store.webhooks import WebhookRows
from maild.store.writing import WritingRows


class Tx:
    """One transaction (or one consistent view); its queries are grouped by noun."""

    def __init__(self, connection: Connection, *, is_view: bool = False) -> None:
        """Wrap an open transaction; in a view nothing changes until its end."""
        self.connection = connection
        self._is_view = is_view

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Run one line of many: an exception takes back this block alone, not the transaction."""
        with self.connection.begin_nested():
            yield

    @contextmanager
    def trial(self) -> Generator[None]:
        """Run a block to see what comes of it; all that it wrote is taken back."""
        nested = self.connection.begin_nested()
        try:
            yield
        finally:
            nested.rollback()

    @cached_property
    def people(self) -> PeopleRows:
        """Accounts, users, addresses, memberships, inboxes, and the registry of names."""
        return PeopleRows(self.connection)

    @cached_property
    def absences(self) -> AbsenceRows:
        """Who is away, who stands in, and so who reads what."""
        return AbsenceRows(self.connection)

    @cached_property
    def answering(self) -> AnsweringRows:
        """Who is answering what."""
        return AnsweringRows(self.connection)

    @cached_property
    def notices(self) -> NoticeRows:
        """What people are still to be told."""
        return NoticeRows(self.connection)

    @cached_property
    def logins(self) -> LoginRows:
        """What opens a user's work."""
        return LoginRows(self.connection)

    @cached_property
    def sessions(self) -> SessionRows:
        """Who is signed in."""
        return SessionRows(self.connection)

    @cached_property
    def tokens(self) -> TokenRows:
        """What opens the API in somebody's name."""
        return TokenRows(self.connection)

    @cached_property
    def identities(self) -> IdentityRows:
        """Who somebody is to an OIDC provider."""
        return IdentityRows(self.connection)

    @cached_property
    def changes(self) -> ChangeRows:
        """Changes of people that can be taken back."""
        return ChangeRows(self.connection)

    @cached_property
    def merging(self) -> MergeRows:
        """What changes hands when two users turn out to be one."""
        return MergeRows(self.connection)

    @cached_property
    def profiles(self) -> ProfileRows:
        """Saved searches."""
        return ProfileRows(self.connection)

    @cached_property
    def searched(self) -> SearchedNames:
        """What a search calls by its name."""
        return SearchedNames(self.connection)

    @cached_property
    def indexing(self) -> IndexingRows:
        """What search finds mails by, and which mails it does not know yet."""
        return IndexingRows(self.connection)

    @cached_property
    def clients(self) -> ClientRows:
        """Clients, their contacts and domains."""
        return ClientRows(self.connection)

    @cached_property
    def client_lists(self) -> ClientListRows:
        """Many clients at once."""
        return ClientListRows(self.connection)

    @cached_property
    def inbox_keys(self) -> InboxKeyRows:
        """Keys that open the HTTP door."""
        return InboxKeyRows(self.connection)

    @cached_property
    def intake(self) -> IntakeRows:
        """What accepting a mail reads and writes."""
        return IntakeRows(self.connection)

    @cached_property
    def archives(self) -> ArchiveRows:
        """Imports of old mail."""
        return ArchiveRows(self.connection)

    @cached_property
    def chosen(self) -> ChosenRows:
        """Mails by whose they are."""
        return ChosenRows(self.connection)

    @cached_property
    def erasing(self) -> ErasingRows:
        """Mail that is taken out for good."""
        return ErasingRows(self.connection)

    @cached_property
    def sources(self) -> SourceRows:
        """Mailboxes of other servers."""
        return SourceRows(self.connection)

    @cached_property
    def ledger(self) -> LedgerRows:
        """What was taken from them."""
        return LedgerRows(self.connection)

    @cached_property
    def drops(self) -> DropRows:
        """Drop addresses."""
        return DropRows(self.connection)

    @cached_property
    def outbox(self) -> OutboxRows:
        """Errands: what is to be done in the world after the commit."""
        return OutboxRows(self.connection)

    @cached_property
    def leaving(self) -> LeavingRows:
        """What ends with a membership."""
        return LeavingRows(self.connection)

    @cached_property
    def throttles(self) -> ThrottleRows:
        """How often something was tried."""
        return ThrottleRows(self.connection)

    @cached_property
    def verifications(self) -> VerificationRows:
        """Links that were mailed to addresses."""
        return VerificationRows(self.connection)

    @cached_property
    def verdicts(self) -> VerdictRows:
        """What verifying mails found out."""
        return VerdictRows(self.connection)

    @cached_property
    def leases(self) -> LeaseRows:
        """Who alone may do something."""
        return LeaseRows(self.connection)

    @cached_property
    def deliveries(self) -> DeliveryRows:
        """The work of deciding: leases, readings, traces."""
        return DeliveryRows(self.connection)

    @cached_property
    def counting(self) -> CountingRows:
        """How many mails lie where."""
        return CountingRows(self.connection)

    @cached_property
    def marks(self) -> MarkRows:
        """Who opened which mail."""
        return MarkRows(self.connection)

    @cached_property
    def threads(self) -> ThreadRows:
        """Conversations."""
        return ThreadRows(self.connection)

    @cached_property
    def settling(self) -> SettlingRows:
        """What a batch of decisions writes."""
        return SettlingRows(self.connection)

    @cached_property
    def facts(self) -> DecisionRows:
        """What a decision is made from."""
        return DecisionRows(self.connection)

    @cached_property
    def feed(self) -> FeedRows:
        """What happened, in the order of the commits."""
        return FeedRows(self.connection)

    @cached_property
    def kept_answers(self) -> KeptAnswerRows:
        """Requests that are to be done once."""
        return KeptAnswerRows(self.connection)

    @cached_property
    def undoing(self) -> UndoRows:
        """Acts that can be undone."""
        return UndoRows(self.connection)

    @cached_property
    def mailbox(self) -> MailboxRows:
        """Entries, owners, transfers."""
        return MailboxRows(self.connection)

    @cached_property
    def handing(self) -> HandingRows:
        """Mails that change hands."""
        return HandingRows(self.connection)

    @cached_property
    def lists(self) -> ListRows:
        """Lists of mails."""
        return ListRows(self.connection)

    @cached_property
    def healing(self) -> HealingRows:
        """Mails that wait for a person."""
        return HealingRows(self.connection)

    @cached_property
    def directories(self) -> DirectoryRows:
        """Which directory an account follows."""
        return DirectoryRows(self.connection)

    @cached_property
    def sweeps(self) -> SweepRows:
        """Accounts whose waiting mails are looked through for new clients."""
        return SweepRows(self.connection)

    @cached_property
    def digest(self) -> DigestRows:
        """Who gets a digest, and of what."""
        return DigestRows(self.connection)

    @cached_property
    def rules(self) -> RuleRows:
        """Rules of accounts."""
        return RuleRows(self.connection)

    @cached_property
    def reopening(self) -> ReopeningRows:
        """Mails that are done, and who answers them."""
        return ReopeningRows(self.connection)

    @cached_property
    def templates(self) -> TemplateRows:
        """Templates of accounts."""
        return TemplateRows(self.connection)

    @cached_property
    def writing(self) -> WritingRows:
        """What people write, and as whom they may."""
        return WritingRows(self.connection)

    @cached_property
    def standing(self) -> StandingRows:
        """Standing answers of accounts."""
        return StandingRows(self.connection)

    @cached_property
    def rights(self) -> RightsRows:
        """Members, their roles, and the account's settings."""
        return RightsRows(self.connection, remembers=self._is_view)

    @cached_property
    def views(self) -> ViewRows:
        """What pages and commands show: histories and look-ups."""
        return ViewRows(self.connection)

    @cached_property
    def webhooks(self) -> WebhookRows:
        """Who hears what happens."""
        return WebhookRows(self.connection)


class Store:
    """An opened store.  Thread-safe."""

    def __init__(self, url: str, bodies: Path, inline_max: int = 128 * 1024) -> None:
        """Open lazily; `bodies` is made if missing.  Bodies above `inline_max` octets go to files."""
        self.database = Database(url)
        self.bodies = BodyFiles(bodies)
        self.inline_max = inline_max

    @contextmanager
    def write(self) -> Generator[Tx]:
        """One write transaction, committed at the end of the block.  Raises StoreDownError."""
        with self.database.write() as connection:
            yield Tx(connection)

    @contextmanager
    def read(self) -> Generator[Tx]:
        """One consistent view.  Raises StoreDownError."""
        with self.database.read() as connection:
            yield Tx(connection, is_view=True)

    @contextmanager
    def glance(self) -> Generator[Tx]:
        """One statement's view that waits for nobody.  Raises StoreDownError where there can be none."""
        with self.database.glance() as connection:
            yield Tx(connection)

    def close(self) -> None:
        """Close every connection."""
        self.database.close()
