"""The one table of reasons: what a peer hears, how a program exits, what HTTP says, and the sentence for a person.

Codes are stable.  Three sorts share the table because they share the speakers: what a door
answers, why a delivery is as it is (`states` says in which states it may stand), and why a request was refused.
Whatever maild did not foresee is INTERNAL_ERROR, and that is always temporary.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from maild.model.states import State
from maild.model.way import Way, way_of

EX_OK, EX_FAILED, EX_USAGE, EX_DATAERR, EX_NOUSER, EX_TEMPFAIL, EX_CONFIG = 0, 1, 64, 65, 67, 75, 78
"""sysexits.h, as far as maild speaks it."""

_FILED, _UNFILED, _HELD = State.FILED, State.UNFILED, State.HELD
_IGNORED, _FAILED = State.IGNORED, State.FAILED


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """One row of the table.  Compared by identity: rows that read alike are still different reasons."""

    sentence: str
    smtp: int = 0
    enhanced: str = ""
    """RFC 3463; without it the reason is never said to a mail peer."""
    exit: int = EX_FAILED
    http: int = 409
    states: tuple[State, ...] = ()
    repair: str = ""
    """What a person can do about it, as one short phrase (E2)."""


def _door(smtp: int, enhanced: str, exit_: int, http: int, sentence: str) -> Spec:
    return Spec(sentence, smtp=smtp, enhanced=enhanced, exit=exit_, http=http)


def _kept(sentence: str, *states: State, repair: str = "") -> Spec:
    return Spec(sentence, states=states, repair=repair, http=200)


def _refusal(sentence: str, http: int = 409, repair: str = "") -> Spec:
    return Spec(sentence, http=http, repair=repair)


class Reason(Enum):
    """Why something is as it is; the value is its row, the name is its stable code."""

    # What a door answers.
    ACCEPTED = _door(250, "2.0.0", EX_OK, 202, "stored as {ref}")
    RECIPIENT_OK = _door(250, "2.1.5", EX_OK, 200, "recipient ok")
    NO_SUCH_RECIPIENT = _door(
        550, "5.1.1", EX_NOUSER, 404, "no mailbox here by the name of {address}"
    )
    BAD_RECIPIENT = _door(553, "5.1.3", EX_NOUSER, 422, "{address} is not a mail address")
    DROP_ADDRESS_ROTATED = _door(
        550, "5.1.6", EX_NOUSER, 404, "{address} has been replaced; its owner knows the new one"
    )
    UNKNOWN_SENDER_REFUSED = _door(
        550, "5.7.1", EX_DATAERR, 403, "{inbox} takes mail of its own users only; {address} is none"
    )
    TOO_LARGE = Spec(
        "the mail has {size} octets; the limit is {limit}",
        smtp=552,
        enhanced="5.3.4",
        exit=EX_DATAERR,
        http=413,
        states=(_UNFILED,),
        repair="raise the limit and fetch",
    )
    BARE_NEWLINE = _door(
        550, "5.6.0", EX_DATAERR, 422, "bare CR, LF or NUL in the mail; lines end with CRLF"
    )
    EMPTY_MAIL = _door(554, "5.6.0", EX_DATAERR, 422, "the mail is empty")
    DISK_FULL = _door(452, "4.3.1", EX_TEMPFAIL, 503, "insufficient storage; try again later")
    STORE_DOWN = _door(451, "4.3.0", EX_TEMPFAIL, 503, "the store does not answer; try again later")
    BUSY = _door(451, "4.3.2", EX_TEMPFAIL, 503, "too busy; try again later")
    TOO_MANY_RECIPIENTS = _door(
        452, "4.5.3", EX_TEMPFAIL, 503, "too many recipients in one go; send the rest separately"
    )
    SEPARATE_RECIPIENT = _door(
        452,
        "4.5.3",
        EX_TEMPFAIL,
        503,
        "{address} has limits of its own; send to it in a transaction of its own",
    )
    SHUTTING_DOWN = _door(
        421, "4.3.2", EX_TEMPFAIL, 503, "the server is going down; try again later"
    )
    INTERNAL_ERROR = Spec(
        "A fault in maild ({ref})",
        smtp=451,
        enhanced="4.3.0",
        exit=EX_TEMPFAIL,
        http=503,
        states=(_FAILED,),
        repair="retry",
    )

    # What only the HTTP door answers.
    NO_SUCH_INBOX = _refusal("There is no inbox of that name that this key opens.", http=404)
    NO_SUCH_PAGE = _refusal("There is nothing here; mail is sent to /in/ADDRESS.", http=404)
    METHOD_NOT_ALLOWED = _refusal("Mail is sent with POST.", http=405)
    NO_MAIL_FORMAT = _refusal(
        "A mail is sent as Content-Type: message/rfc822, without Content-Encoding; this is {what}.",
        http=415,
    )
    BAD_REQUEST = _refusal("{why}", http=400)
    BAD_SENDER = _refusal("The sender “{sender}” is not a mail address.", http=422)
    TOO_SLOW = _refusal("The mail did not come within {seconds} seconds.", http=408)

    # What only the API answers.
    TOKEN_REFUSED = _refusal(
        "A token that is valid is needed, as Authorization: Bearer TOKEN; `maild token create` makes one.",
        http=401,
    )
    TICKET_REFUSED = _refusal(
        "This address shows nothing, or shows it no more; open the mail anew.", http=403
    )
    NO_SUCH_ROUTE = _refusal(
        "There is nothing at this path; /api/v1/openapi.json says what there is.", http=404
    )
    NO_SUCH_METHOD = _refusal("This path is asked with {methods}.", http=405)
    BODY_TOO_LARGE = _refusal("The request's body is over {limit} octets.", http=413)
    BODY_TOO_SLOW = _refusal("The request's body did not come within {seconds} seconds.", http=408)
    PRECONDITION_FAILED = _refusal(
        "The {noun} is not as If-Match or If-None-Match says: ask for it again, and go by its ETag.",
        http=412,
    )
    CROSS_SITE = _refusal(
        "A page of another site asked for this in your name; nothing was done.", http=403
    )
    TOO_MANY_REQUESTS = _refusal(
        "This token asks too often; ask again in {seconds} seconds, and go by RateLimit.", http=429
    )
    KEY_USED_OTHERWISE = _refusal(
        "This Idempotency-Key was used for another request; take a new key for this one.", http=422
    )
    STILL_IN_HAND = _refusal(
        "The request with this Idempotency-Key is still being done; ask again in a while."
    )
    OUTCOME_UNKNOWN = _refusal(
        "The request with this Idempotency-Key was begun, and its answer is not known: look what was done, then take a new key."
    )
    CURSOR_AHEAD = _refusal(
        "The feed has not come as far as {cursor}: it was brought back from a backup. Begin anew, with what is there or with after=now.",
        http=410,
    )
    INVALID_REQUEST = _refusal("The request cannot be read: {why}.", http=422)

    # Why a delivery is as it is.
    FILED_THREAD = _kept("Filed under {client} because {fact}", _FILED, repair="un-file, move")
    FILED_TOKEN = _kept("Filed under {client} because {fact}", _FILED, repair="un-file, move")
    FILED_CONTACT = _kept("Filed under {client} because {fact}", _FILED, repair="un-file, move")
    FILED_FORWARD = _kept("Filed under {client} because {fact}", _FILED, repair="un-file, move")
    FILED_CAPTURE = _kept("Filed under {client} because {fact}", _FILED, repair="un-file, move")
    FILED_DOMAIN = _kept("Filed under {client} because {fact}", _FILED, repair="un-file, move")
    FILED_BY_HAND = _kept("Filed under {client} because {fact}", _FILED, repair="un-file, move")
    FILED_BY_RULE = _kept("Filed under {client} because {fact}", _FILED, repair="un-file, move")
    SENDER_UNKNOWN = _kept(
        "No user has the address {from}",
        _HELD,
        repair="add the address as an alias of a user, add a client, or ignore",
    )
    UNFILED_BY_HAND = _kept("{user} took it off {client}", _UNFILED, repair="file")
    SENDER_UNCLEAR = _kept(
        "The mail does not say clearly who sent it ({why})", _HELD, repair="choose the user"
    )
    PLUS_BASE_UNRESOLVED = _kept(
        "{from} is the base of {n} registered +tag addresses: {candidates}",
        _HELD,
        repair="accept as sends-as",
    )
    ALIAS_NOT_VERIFIED = _kept(
        "{from} is an unconfirmed address of {user}",
        _HELD,
        repair="resend the confirmation, or confirm as admin",
    )
    SENDER_NOT_VERIFIED = _kept(
        "Claims to be {user}, not proven ({verdict})",
        _HELD,
        repair="accept once, trust the forwarder, or use the drop address",
    )
    DROP_ADDRESS_EXPOSED = _kept(
        "The drop address of {user} stands in To or Cc, where others read it",
        _HELD,
        repair="say that it is theirs and rotate the drop address",
    )
    NOT_A_MEMBER = _kept("{user} is not in {account}", _HELD, repair="invite")
    USER_INACTIVE = _kept("{user} is inactive since {date}", _HELD, repair="give to a substitute")
    NO_RECIPIENT_MARKER = _kept(
        "The collected mailbox does not tell the recipient",
        _HELD,
        repair="pick the header that does",
    )
    AMBIGUOUS_SENDER = _kept("{n} users fit {from}", _HELD, repair="choose the user")
    CLIENT_NOT_FOUND = _kept(
        "No client matches {tried}", _HELD, _UNFILED, repair="create the client, or choose one"
    )
    CLIENT_AMBIGUOUS = _kept(
        "{address} belongs to {n} clients: {clients}", _HELD, _UNFILED, repair="choose, remember"
    )
    FORWARD_NOT_FOUND = _kept(
        "Looks forwarded; the original sender could not be read",
        _HELD,
        repair="pick an address found in the text",
    )
    FORWARD_UNSURE = _kept(
        "Original sender is probably {address} ({p})", _HELD, repair="confirm, correct"
    )
    FORWARD_BY_STRANGER = _kept(
        "Forwarded by {from}, who is not a user", _UNFILED, repair="file under either"
    )
    ONLY_USERS_INVOLVED = _kept(
        "Mail between users; nothing to file", _UNFILED, repair="file by hand"
    )
    AUTO_REPLY = _kept(
        "Machine-made: {proof}", _FILED, _UNFILED, _IGNORED, repair="treat as normal"
    )
    BOUNCE = _kept("Machine-made: {proof}", _FILED, _UNFILED, _IGNORED, repair="treat as normal")
    LIST_MAIL = _kept("Machine-made: {proof}", _FILED, _UNFILED, _IGNORED, repair="treat as normal")
    SPAM = _kept("Marked by {header}", _IGNORED, repair="release")
    DISMISSED = _kept("Put away by {user}", _IGNORED, repair="release")
    LOOP_STOPPED = _kept("Our own mail came back ({header})", _IGNORED, repair="release")
    UNPARSEABLE = _kept("Could not be read: {error}", _FAILED, repair="retry, raw view, delete")

    # Marks that stand beside a delivery's own reason.
    SAME_ID_OTHER_CONTENT = _kept("Message-ID was used before with other content", repair="compare")
    PARSE_DEGRADED = _kept("Parts could not be read: {parts}", repair="raw view")

    # What signing in answers; SMTP AUTH has codes of its own (RFC 4954 6).
    SIGN_IN_REFUSED = _door(
        535, "5.7.8", EX_FAILED, 401, "The user name or the password is not right."
    )
    TOO_MANY_TRIES = _door(
        454, "4.7.0", EX_TEMPFAIL, 429, "Too many tries in a while; try again in {minutes} minutes."
    )
    APP_PASSWORD_NEEDED = _door(
        534,
        "5.7.9",
        EX_FAILED,
        403,
        "This login has a second step; mail programs sign in with a token instead of the password.",
    )
    CODE_NEEDED = _refusal("This login has a second step; enter the code that your app shows.", 401)
    SIGN_UP_REQUIRED = _door(
        535,
        "5.7.8",
        EX_FAILED,
        403,
        "Your email address was changed; sign up again by the link that was mailed to the new one.",
    )
    TERMS_NEEDED = _refusal(
        "The terms of service (version {version}) are to be accepted first: {url}", 403
    )
    LINK_ENDED = _refusal(
        "This link is not valid: it was used, replaced, or is too old. Ask for a new one.", 410
    )
    PROVIDER_REFUSED = _refusal("{provider} did not sign you in: {why}", 401)

    # Why a request was refused.
    EMAIL_IN_USE = _refusal(
        "The email address {addr} is already in use. Enter a different email address."
    )
    EMAIL_IN_USE_OTHER_KIND = _refusal("{addr} is in use as a {kind}.")
    SENDS_AS_IN_USE = _refusal(
        "Mail you forward will come from {base}, and {base} is already in use by somebody else. "
        "Use your drop address instead."
    )
    INVALID_EMAIL = _refusal("{why}", http=422)
    USERNAME_IN_USE = _refusal(
        "The user name {name} is taken. Its owner can change it under My account. Your email address is not affected."
    )
    OWNER_CHANGED = _refusal("{other} already gave this to {user} at {time}.")
    NOT_FOUND = _refusal("There is no {noun} “{value}”. {hint}", http=404)
    INVALID_VALUE = _refusal("{what} cannot be “{value}”: {why}", http=422)
    ALREADY_EXISTS = _refusal("The {noun} “{value}” exists already. {hint}")
    NOT_ALLOWED = _refusal("{why}", http=403)
    SENDER_NOT_ALLOWED = _refusal(
        "You have no right to write as {address}. An admin gives it; or write as an address that is yours.",
        http=403,
    )
    ACCOUNT_NEEDED = _refusal(
        "There are several accounts: {slugs}. Say which with --account.", http=400
    )
    OWN_LOGIN_NEEDED = _refusal(
        "{account} asks for a login of its own: choose a second user name for it first. Your address stays yours.",
        http=403,
    )
    MAILBOX_ALREADY_POLLED = _refusal(
        "The mailbox {folder} of {username} at {host} is polled already, by {whom}."
    )
    CURRENT_EMAIL_NOT_FOUND = _refusal("Nobody has the primary address {addr}.", http=404)
    SAME_EMAIL = _refusal("{addr} is the address already; there is nothing to change.", http=422)
    EMAIL_IS_ALIAS = _refusal(
        "{addr} is an address of {user} beside the primary one; addresses are exchanged between primary ones."
    )
    OPERATOR_ONLY = _refusal("Only the operator of this installation may do this.", http=403)
    SSO_USER = _refusal(
        "This login is opened by single sign-on; say --allow-sso where that may be changed: {why}."
    )
    ROLES_DIFFER = _refusal(
        "Roles change hands by this; say --swap-roles where that is meant: {why}."
    )
    PLAN_OUTDATED = _refusal("What the plan was made from has changed; look at a new plan first.")
    CANNOT_UNDO = _refusal("The change cannot be taken back: {why}")
    NOTHING_TO_UNDO = _refusal("There is nothing to undo.")
    CONFLICT = _refusal("{why}")
    NOBODY_READS = _refusal("Nobody would read mail to {inbox} from {date}: {todo}.")
    SUBSTITUTE_LOOP = _refusal(
        "From {date} the substitutes would go round in a circle: {loop}. Choose another substitute."
    )
    BEING_ANSWERED = _refusal("{user} is answering this mail since {time}.")
    SEARCH_FIELD_UNKNOWN = _refusal(
        "There is no search field “{field}” ({where}).{meant} The fields are {fields}. "
        "Text with a colon stands in quotes.",
        http=422,
    )
    SEARCH_UNREADABLE = _refusal("The search cannot be read, {where}: {why}.", http=422)
    SEARCH_TOO_WIDE = _refusal(
        "More than {most} names contain “{value}”, which {field} asks for: write more of it.",
        http=422,
    )

    # What was done, said with a code.
    JOIN_REQUESTED = Spec(
        "{addr} already has a login. We have sent them an invitation to join {account}.",
        exit=EX_OK,
        http=202,
    )

    @property
    def code(self) -> str:
        """The stable code that clients match."""
        return self.name

    def say(self, **facts: Any) -> str:
        """Return the sentence with its facts filled in; a fact that is not known is shown as “?”."""
        return self.value.sentence.format_map(_Facts(facts))

    def smtp_reply(self, **facts: Any) -> str:
        """Return the reply line for SMTP and LMTP (RFC 2034): one line, printable ASCII, within 512 octets."""
        text = self.say(**facts)[:400]
        if not (text.isascii() and text.isprintable()):
            text = "".join(char if " " <= char <= "~" else "?" for char in text)
        row = self.value
        return f"{row.smtp} {row.enhanced} {text}"

    @property
    def is_temporary(self) -> bool:
        """Whether the peer should try again."""
        return 400 <= self.value.smtp < 500


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer hears about one recipient, or about a whole mail."""

    reason: Reason
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        """Whether the peer may forget the mail for this recipient."""
        return self.reason is Reason.ACCEPTED or self.reason is Reason.RECIPIENT_OK

    def line(self) -> str:
        """Return the reply line for SMTP and LMTP."""
        return self.reason.smtp_reply(**self.facts)


class RefusedError(Exception):
    """A request that maild will not do: the code, the facts of its sentence, and the ways out (U3).

    Raised by core; the command line exits with 1 and the sentence, an API says it as problem+json.
    """

    def __init__(
        self, reason: Reason, /, *, actions: tuple[str | Way, ...] = (), **facts: Any
    ) -> None:
        """Keep the reason; `actions` are ways out: each a phrase that a person can follow, or one with a code."""
        super().__init__(reason.say(**facts))
        self.reason = reason
        self.ways = tuple(way_of(one) if isinstance(one, str) else one for one in actions)
        self.facts = facts

    @property
    def actions(self) -> tuple[str, ...]:
        """The ways out, for people."""
        return tuple(way.phrase for way in self.ways)
