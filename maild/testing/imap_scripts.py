"""The scripts of `ScriptedImap`, by name: what each does, where that shows, and what trouble it is to bring."""

from __future__ import annotations

from maild.core.remote import Tls, Trouble
from maild.testing.imap_mischief import (
    asks_for_ever,
    before,
    cuts_short,
    does_it_late,
    drips,
    hang,
    injects,
    is_never_done,
    lose,
    loses_after,
    loses_after_a_piece,
    of_another,
    pours,
    refuses,
    refuses_token,
    repeats_the_secret,
    says,
    says_no_to_one,
)
from maild.testing.scripted_imap import UIDVALIDITY, Script

_LATE_CAPABILITIES = b"IMAP4rev1 STARTTLS LOGINDISABLED"


_BURST = b"".join(b"* %d FETCH (FLAGS (\\Seen))\r\n" % number for number in range(1, 50_001))
_LONG_FLAGS = (b"* 1 FETCH (FLAGS (" + b"x" * 4000 + b"))\r\n") * 16
_SELECTED = b"* 4 EXISTS\r\n* OK [UIDVALIDITY %d] x\r\n" % UIDVALIDITY
_HALF = b"* 1 FETCH (UID 4 BODY[] {5000}\r\nSubject: half"

SCRIPTS: dict[str, Script] = {
    "good": Script(),
    "good by token": Script(signs_in_with="token"),
    "good with LOGIN": Script(capabilities=b"IMAP4rev1 IDLE UIDPLUS MOVE"),
    "good without extensions": Script(capabilities=b"IMAP4rev1"),
    "good over TLS": Script(tls=Tls.IMPLICIT),
    "good over STARTTLS": Script(tls=Tls.STARTTLS, capabilities=_LATE_CAPABILITIES),
}


def _add(step: str, brings: Trouble | None, **scripts: Script) -> None:
    for name, script in scripts.items():
        SCRIPTS[name.replace("_", " ")] = Script(
            brings=brings,
            step=step,
            on=script.on,
            tls=script.tls,
            certificate=script.certificate,
            greeting=script.greeting,
            capabilities=script.capabilities,
            signs_in_with=script.signs_in_with,
        )


_add(
    "connect",
    Trouble.NOT_THIS_PROTOCOL,
    silent_at_greeting=Script(on={"GREETING": hang}),
    dripping_greeting=Script(on={"GREETING": drips(b"* OK and so on ")}),
    greets_as_POP=Script(greeting=b"+OK POP3 ready\r\n"),
    greets_as_SMTP=Script(greeting=b"220 mail.example ESMTP\r\n"),
    greets_as_HTTP=Script(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    greets_without_end=Script(on={"GREETING": pours(b"* OK ", b"x" * 65536)}),
    is_no_IMAP4rev1=Script(capabilities=b"IMAP2"),
)
_add(
    "connect",
    Trouble.BUSY,
    BYE_as_greeting=Script(greeting=b"* BYE come again\r\n"),
    BYE_too_many=Script(greeting=b"* BYE [UNAVAILABLE] Too many connections\r\n"),
)
_add(
    "connect",
    Trouble.TIMED_OUT,
    silent_at_CAPABILITY=Script(on={"CAPABILITY": hang}),
    dripping_CAPABILITY=Script(on={"CAPABILITY": drips(b"* CAPABILITY IMAP4rev1\r\n")}),
)
_add(
    "connect",
    Trouble.LINE_LOST,
    lost_at_greeting=Script(on={"GREETING": lose}),
    lost_at_CAPABILITY=Script(on={"CAPABILITY": lose}),
)
_add(
    "connect",
    Trouble.TLS_FAILED,
    expired_certificate=Script(tls=Tls.IMPLICIT, certificate="expired"),
    self_signed_certificate=Script(tls=Tls.IMPLICIT, certificate="stranger"),
    another_names_certificate=Script(tls=Tls.IMPLICIT, certificate="wrong-name"),
    TLS_1_0=Script(tls=Tls.IMPLICIT, certificate="old"),
    expired_after_STARTTLS=Script(
        tls=Tls.STARTTLS, capabilities=_LATE_CAPABILITIES, certificate="expired"
    ),
    silent_at_TLS=Script(tls=Tls.IMPLICIT, on={"HANDSHAKE": hang, "GREETING": hang}),
    clear_where_TLS_is_due=Script(tls=Tls.IMPLICIT, on={"HANDSHAKE": hang}),
    STARTTLS_stripped=Script(tls=Tls.STARTTLS),
    STARTTLS_refused=Script(
        tls=Tls.STARTTLS, capabilities=_LATE_CAPABILITIES, on={"STARTTLS": says(b"{tag} NO no\r\n")}
    ),
    PREAUTH_before_STARTTLS=Script(
        tls=Tls.STARTTLS, capabilities=_LATE_CAPABILITIES, greeting=b"* PREAUTH hello\r\n"
    ),
)
_add(
    "",
    None,
    words_injected_before_TLS=Script(
        tls=Tls.STARTTLS, capabilities=_LATE_CAPABILITIES, on={"STARTTLS": injects}
    ),
    PREAUTH=Script(greeting=b"* PREAUTH hello\r\n"),
    noise_in_FETCH=Script(on={"HEADS": does_it_late, "BODY": does_it_late, "PART": does_it_late}),
    burst_of_50000_lines=Script(on={"HEADS": before(_BURST, "HEADS")}),
    pieces_cut_short=Script(on={"PART": cuts_short}),
    empty_lines=Script(on={"SEARCH": before(b"\r\n\r\n", "SEARCH")}),
)
_add(
    "sign_in",
    Trouble.REFUSED_LOGIN,
    wrong_password=Script(on={"AUTHENTICATE": refuses(b"NO [AUTHENTICATIONFAILED] no")}),
    wrong_password_without_code=Script(on={"AUTHENTICATE": refuses(b"NO invalid")}),
    LOGINDISABLED=Script(capabilities=b"IMAP4rev1 LOGINDISABLED"),
    referral=Script(on={"AUTHENTICATE": refuses(b"NO [REFERRAL imap://127.0.0.1/] elsewhere")}),
    repeats_the_secret=Script(on={"AUTHENTICATE": repeats_the_secret}),
    refused_token=Script(signs_in_with="token", on={"AUTHENTICATE": refuses_token}),
    no_XOAUTH2=Script(signs_in_with="token", capabilities=b"IMAP4rev1 AUTH=PLAIN"),
)
_add(
    "sign_in",
    Trouble.LOGIN_LATER,
    box_in_use=Script(on={"AUTHENTICATE": refuses(b"NO [INUSE] in use")}),
    box_unavailable=Script(on={"AUTHENTICATE": refuses(b"NO [UNAVAILABLE] backend is down")}),
    login_limit=Script(on={"AUTHENTICATE": refuses(b"NO [LIMIT] slow down")}),
    too_many_sessions=Script(on={"AUTHENTICATE": refuses(b"NO Too many simultaneous connections")}),
)
_add(
    "sign_in",
    Trouble.BROKEN_PROTOCOL,
    asks_for_ever=Script(on={"AUTHENTICATE": asks_for_ever}),
    another_tag_at_login=Script(on={"AUTHENTICATE": says(b"XYZ9 OK in\r\n")}),
)
_add("sign_in", Trouble.TIMED_OUT, silent_at_login=Script(on={"AUTHENTICATE": hang}))
_add("sign_in", Trouble.LINE_LOST, lost_at_login=Script(on={"AUTHENTICATE": lose}))
_add(
    "select",
    Trouble.NOT_ALLOWED,
    not_connected=Script(
        on={"SELECT": says(b"{tag} BAD User is authenticated but not connected.\r\n")}
    ),
    no_permission=Script(on={"SELECT": says(b"{tag} NO [NOPERM] not yours\r\n")}),
)
_add(
    "select",
    Trouble.BROKEN_PROTOCOL,
    no_UIDVALIDITY=Script(on={"SELECT": says(b"* 4 EXISTS\r\n{tag} OK open\r\n")}),
    another_tag=Script(on={"SELECT": says(_SELECTED + b"XYZ9 OK open\r\n")}),
    line_of_20_MB=Script(on={"SELECT": pours(b"* OK ", b"x" * 65536)}),
    words_from_nowhere=Script(on={"SELECT": says(b"what a day\r\n{tag} OK open\r\n")}),
)
_add(
    "select",
    Trouble.NO_SUCH_FOLDER,
    no_such_folder=Script(on={"SELECT": says(b"{tag} NO [NONEXISTENT] none\r\n")}),
    no_such_folder_without_code=Script(on={"SELECT": says(b"{tag} NO Mailbox is not there\r\n")}),
)
_add(
    "select",
    Trouble.QUOTA,
    over_quota=Script(on={"SELECT": says(b"{tag} NO [OVERQUOTA] full\r\n")}),
)
_add(
    "select",
    Trouble.BUSY,
    throttled=Script(on={"SELECT": says(b"{tag} BAD Request is throttled. Try in 60 s\r\n")}),
)
_add("select", Trouble.TIMED_OUT, silent_at_SELECT=Script(on={"SELECT": hang}))
_add("select", Trouble.LINE_LOST, lost_at_SELECT=Script(on={"SELECT": lose}))
_add(
    "uids",
    Trouble.BROKEN_PROTOCOL,
    endless_SEARCH=Script(on={"SEARCH": pours(b"* SEARCH", b" 123456789" * 6000)}),
    endless_SEARCH_lines=Script(on={"SEARCH": pours(b"", b"* SEARCH 1 2 3\r\n" * 4000)}),
    SEARCH_with_garbage=Script(on={"SEARCH": says(b"* SEARCH 1 two -3\r\n{tag} OK done\r\n")}),
    SEARCH_beyond_all_numbers=Script(
        on={"SEARCH": says(b"* SEARCH 99999999999\r\n{tag} OK x\r\n")}
    ),
    SEARCH_with_zero=Script(on={"SEARCH": says(b"* SEARCH 0\r\n{tag} OK x\r\n")}),
)
_add(
    "uids",
    Trouble.TIMED_OUT,
    silent_at_SEARCH=Script(on={"SEARCH": hang}),
    dripping_SEARCH=Script(on={"SEARCH": drips(b"* SEARCH 1 2 3\r\n")}),
)
_add("uids", Trouble.LINE_LOST, lost_at_SEARCH=Script(on={"SEARCH": loses_after(b"* SEARCH 1 2")}))
_add(
    "heads",
    Trouble.TIMED_OUT,
    silent_at_heads=Script(on={"HEADS": hang}),
    dripping_heads=Script(on={"HEADS": drips(b"* 1 FETCH (UID 4)\r\n")}),
)
_add("heads", Trouble.LINE_LOST, lost_at_heads=Script(on={"HEADS": loses_after(b"* 1 FETCH (UI")}))
_add(
    "heads",
    Trouble.BROKEN_PROTOCOL,
    FETCH_with_garbage=Script(
        on={"HEADS": says(b"* 1 FETCH (UID 4 RFC822.SIZE {x} (\r\n{tag} OK done\r\n")}
    ),
    endless_untagged_lines=Script(on={"HEADS": pours(b"", _LONG_FLAGS)}),
    endless_lists=Script(
        on={"HEADS": says(b"* 1 FETCH (RFC822.SIZE " + b"(" * 500_000 + b"\r\n{tag} OK\r\n")}
    ),
)
_add(
    "bodies",
    Trouble.BROKEN_PROTOCOL,
    huge_literal=Script(
        on={"BODY": pours(b"* 1 FETCH (UID 4 BODY[] {99000000000}\r\n", b"x" * 65536)}
    ),
    literal_longer_than_declared=Script(
        on={
            "BODY": says(b"* 1 FETCH (UID 4 BODY[] {3}\r\nSubject: x\r\n\r\n)\r\n{tag} OK done\r\n")
        }
    ),
    endless_literals=Script(
        on={"BODY": pours(b"", b"* 1 FETCH (UID 4 BODY[] {9}\r\n123456789)\r\n" * 999)}
    ),
    piece_larger_than_asked=Script(
        on={"PART": pours(b"* 4 FETCH (UID 9 BODY[]<0> {9999999}\r\n", b"x" * 9999)}
    ),
)
_add(
    "bodies",
    Trouble.TIMED_OUT,
    silent_at_body=Script(on={"BODY": hang}),
    dripping_body=Script(on={"BODY": drips(_HALF)}),
    literal_shorter_than_declared=Script(on={"BODY": says(_HALF + b")\r\n{tag} OK done\r\n")}),
)
_add(
    "bodies",
    Trouble.LINE_LOST,
    lost_in_body=Script(on={"BODY": loses_after(_HALF)}),
    lost_in_piece=Script(on={"PART": loses_after_a_piece}),
    BYE_in_body=Script(on={"BODY": says(b"* 1 FETCH (UID 4 FLAGS ())\r\n* BYE shutting down\r\n")}),
)
_add(
    "withheld",
    None,
    wrong_UID_in_body=Script(on={"BODY": of_another("done")}),
    NIL_body=Script(on={"BODY": says(b"* 1 FETCH (UID 4 BODY[] NIL)\r\n{tag} OK done\r\n")}),
    body_refused=Script(on={"BODY": says(b"{tag} NO cannot read it\r\n")}),
    one_body_refused=Script(on={"BODY": says_no_to_one}),
)
_add(
    "move",
    Trouble.REFUSED_ACT,
    lies_about_MOVE=Script(on={"MOVE": says(b"{tag} BAD what?\r\n")}),
    refuses_to_move=Script(on={"MOVE": says(b"{tag} NO not now\r\n")}),
)
_add(
    "move",
    Trouble.NO_SUCH_FOLDER,
    no_target=Script(on={"MOVE": says(b"{tag} NO [TRYCREATE] none\r\n")}),
)
_add("move", Trouble.LINE_LOST, lost_at_MOVE=Script(on={"MOVE": lose}))
_add("move", Trouble.TIMED_OUT, silent_at_MOVE=Script(on={"MOVE": hang}))
_add(
    "delete",
    Trouble.REFUSED_ACT,
    lies_about_UIDPLUS=Script(on={"EXPUNGE": says(b"{tag} BAD what?\r\n")}),
    refuses_flags=Script(on={"STORE": says(b"{tag} NO read-only\r\n")}),
)
_add(
    "delete",
    Trouble.LINE_LOST,
    lost_at_STORE=Script(on={"STORE": lose}),
    lost_at_EXPUNGE=Script(on={"EXPUNGE": lose}),
)
_add(
    "idle",
    Trouble.TIMED_OUT,
    silent_at_IDLE=Script(on={"IDLE": hang}),
    silent_at_DONE=Script(on={"IDLE": is_never_done}),
)
_add(
    "idle",
    Trouble.LINE_LOST,
    lost_at_IDLE=Script(on={"IDLE": lose}),
    BYE_while_idling=Script(on={"IDLE": says(b"+ idling\r\n* BYE autologout\r\n")}),
)
_add(
    "idle",
    Trouble.BROKEN_PROTOCOL,
    literal_while_idling=Script(
        on={"IDLE": pours(b"+ idling\r\n* X {9999999999}\r\n", b"x" * 9999)}
    ),
)
_add("idle", Trouble.REFUSED_ACT, lies_about_IDLE=Script(on={"IDLE": says(b"{tag} BAD what?\r\n")}))
