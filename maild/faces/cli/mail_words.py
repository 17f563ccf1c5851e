"""Mail in words: what `maild mail …` and `maild explain` print for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from maild.faces.cli.plain import block, clock_time, columns, field_lines, line, mailbox, short
from maild.model.plain_text import so_many

_SUBJECT, _FROM = 50, 28
"""Columns of a list that are cut."""


def list_lines(mails: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a table of mails; a star marks the unread ones."""
    if not mails:
        return
    head = ("", "ID", "RECEIVED", "STATE", "REASON", "OWNER", "FROM", "SUBJECT")
    rows = [
        (
            "*" if mail["unread"] else " ",
            mail["id"],
            clock_time(mail["received_at"])[:16],
            mail["state"],
            mail["reason"] or "-",
            line(mail["owner"] or "-"),
            short(mail["from_name"] or mail["from"] or "-", _FROM),
            short(mail["subject"] or "(no subject)", _SUBJECT),
        )
        for mail in mails
    ]
    yield from columns([head, *rows])


def count_lines(counted: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield how many mails each inbox has, by state, and below by reason."""
    states = (
        [name for name in counted[0] if name not in {"inbox", "all", "reasons"}] if counted else []
    )
    for one in counted:
        by_state = ", ".join(f"{one[name]} {name}" for name in states if one[name])
        yield f"{line(one['inbox'])}  {so_many(one['all'])}{': ' if by_state else ''}{by_state}"
        yield from columns([("", str(count), code) for code, count in one["reasons"].items()])


def mailbox_count_lines(counted: dict[str, Any]) -> Iterator[str]:
    """Yield how many mails each mailbox has, by status, and what is unread of each inbox."""
    for one in counted["mailboxes"]:
        how_many = [f"{one['unread']} unread"]
        if one["all"] is not None:
            how_many.insert(0, so_many(one["all"]))
        yield f"{line(one['owner'] or one['name'])}  {', '.join(how_many)}"
        yield from columns(
            [
                (
                    "",
                    line(by["status"]),
                    *([] if by["all"] is None else [str(by["all"])]),
                    f"{by['unread']} unread",
                )
                for by in one["statuses"]
                if by["all"] or by["unread"]
            ]
        )
    yield from columns(
        [(line(one["inbox"]), f"{one['unread']} unread") for one in counted["inboxes"]]
    )


def head_lines(mail: dict[str, Any]) -> Iterator[str]:
    """Yield what a mail is and where it stands."""
    yield f"Mail {mail['id']} in {line(mail['inbox'])} of {line(mail['account'])}"
    clients = ", ".join(f"{client['name']} ({client['id']})" for client in mail["clients"])
    unread = "unread" if mail["unread"] else "read"
    because = f": {mail['unread_because']}" if mail["unread_because"] else ""
    yield from field_lines(
        [
            ("From", mailbox(mail["from_name"], mail["from"])),
            ("To", ", ".join(mail["to"])),
            ("Cc", ", ".join(mail["cc"])),
            ("Subject", mail["subject"]),
            (
                "Received",
                f"{clock_time(mail['received_at'])} by {mail['door']}, {mail['size']} octets",
            ),
            ("State", f"{mail['state']}, {mail['reason'] or 'no reason yet'}"),
            ("Because", mail["reason_text"]),
            ("Beside", ", ".join(mail["beside"])),
            ("Sent by", mail["user"]),
            ("Clients", clients),
            ("Owner", f"{mail['owner']}, {unread}{because}" if mail["owner"] else None),
            ("Status", mail["status"]),
        ]
    )


def show_lines(mail: dict[str, Any]) -> Iterator[str]:
    """Yield a readable summary of one mail."""
    yield from head_lines(mail)
    if mail.get("degraded"):
        yield f"Could not be read in full: {line('; '.join(mail['degraded']))}"
    if mail["note"]:
        yield from _titled("Note of the forwarder", block(mail["note"]).split("\n"))
    if mail["forwarded"] is not None:
        original = mail["forwarded"]
        author = original["from"]
        who = (
            mailbox(author["name"], author["address"])
            if author
            else "a sender that is not readable"
        )
        yield from _titled(
            f"Forwards a mail from {who} ({original['how']}, {original['confidence']:.0%} sure)",
            field_lines([("Subject", original["subject"]), ("Date", original["date"])]),
        )
    yield from _held_within(mail)
    if mail["written"] is not None:
        yield from _titled(
            f"Written by {line(mail['written']['author_name'])}",
            (f"{one['state']}: {line(one['text'])}" for one in mail["written"]["recipients"]),
        )
    if mail["answers"]:
        yield from _titled("Answered", (_answer(one) for one in mail["answers"]))
    if mail["notes"]:
        yield from _titled("Notes", (_note(note) for note in mail["notes"]))
    if mail["text"] is None:
        yield from _titled(
            "Text", ["It is not readable; `maild mail show ID --raw` gives its bytes."]
        )
    elif mail["text"].strip():
        yield ""
        yield block(mail["text"].strip())


def _held_within(mail: dict[str, Any]) -> Iterator[str]:
    """Yield what the mail brings beside its text."""
    if mail["protection"] is not None:
        yield _protected(mail["protection"])
    for event in mail["calendar"]:
        yield from _titled(f"Invitation ({line(event['method'] or 'no method')})", _event(event))
    if mail["attachments"]:
        yield from _titled("Attachments", (_part(part) for part in mail["attachments"]))


def _protected(protection: dict[str, Any]) -> str:
    hidden = "; what it says cannot be shown" if protection["opaque"] else ""
    return f"It is {protection['kind']} ({protection['by']}); no signature was checked{hidden}."


def _event(event: dict[str, Any]) -> Iterator[str]:
    """Yield what an invitation says."""
    when = " to ".join(filter(None, (event["starts"], event["ends"])))
    zone = f" (written in {event['zone']})" if event["zone"] not in {"", "UTC"} else ""
    yield from field_lines(
        [
            ("What", event["summary"]),
            ("When", f"{when}{zone}{', repeats' if event['repeats'] else ''}"),
            ("Where", event["where"]),
            ("Asked by", event["organizer"]),
            ("Attendees", str(event["attendees"] or "")),
            ("Status", event["status"]),
        ]
    )


def _part(part: dict[str, Any]) -> str:
    return f"{part['path']}  {line(part['name'] or '(no name)')}  {line(part['type'])}  {part['size']} octets"


def _answer(one: dict[str, Any]) -> str:
    did = {"reply": "answered it", "forward": "passed it on"}.get(one["act"], "wrote about it")
    return f"{clock_time(one['at'])}  {line(one['by_name'])} {did}: {one['id']}"


def _note(note: dict[str, Any]) -> str:
    return f"{clock_time(note['at'])}  {line(note['by'] or 'the operator')}: {line(note['text'])}"


def _titled(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield title
    yield from (f"  {one}" for one in lines)


def history_lines(history: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield what happened, one line each, a person's own words below."""
    for one in history:
        change = f"  [{one['change']}]" if one["change"] and one["kind"] == "owner.changed" else ""
        yield f"{clock_time(one['at'])}  {line(one['text'])}{change}"
        if one["note"]:
            yield f"{' ' * 22}“{line(one['note'])}”"


def explain_lines(mail: dict[str, Any]) -> Iterator[str]:
    """Yield why a mail is as it is (E1)."""
    yield from head_lines(mail)
    if mail["sender"]:
        yield f"  Sender:    {_sender(**mail['sender'])}"
    yield from _titled("How it came in", (_arrival(one) for one in mail["arrivals"]))
    when = f", {clock_time(mail['decided_at'])}" if mail["decided_at"] else ""
    yield from _titled(f"Why{when}", _steps(mail["trace"]))
    if not mail["trace"]:
        yield "  It has not been decided yet."
    if mail["repair"]:
        yield from _titled("What to do", [mail["repair"], f"maild mail repair {mail['id']}"])
    if mail["marks"]:
        yield from _titled(
            "Beside this",
            (f"{one['code']}: {line(one['text'])} ({one['repair']})" for one in mail["marks"]),
        )
    if mail["same_message_id"]:
        yield f"  Other mails with its Message-ID: {', '.join(mail['same_message_id'])}"
    if mail["earlier"]:
        yield from _titled("Decided before", (_earlier(one) for one in mail["earlier"]))
    yield from _titled("History", history_lines(mail["history"]))


def _sender(as_it_was: dict[str, Any], as_it_is: dict[str, Any]) -> str:
    """Say whose it was, and what has changed since (U12)."""
    said = line(as_it_was["name"])
    address = as_it_was["address"]
    if address is not None:
        said += f", by {address}"
    if as_it_is["name"] != as_it_was["name"] or as_it_is["email"] != address:
        said += f"; today {line(as_it_is['name'])} <{as_it_is['email'] or 'no address'}>"
    if address is not None and as_it_is["address_of"] != as_it_is["email"]:
        said += f", and {address} is {_whose(address, as_it_is['address_of'])}"
    return said


def _whose(address: str, email: str | None) -> str:
    if email is None:
        return "nobody's"
    return "another person's" if email == address else f"of {email}"


def _arrival(one: dict[str, Any]) -> str:
    sender = f"<{line(one['mail_from'])}>"
    recipients = ", ".join(map(line, one["recipients"]))
    times = "once" if one["retries"] == 1 else f"{one['retries']} times"
    again = (
        f"; offered again {times}, last {clock_time(one['last_retry_at'])}"
        if one["retries"]
        else ""
    )
    marked = f"; marked as spam: {line(one['spam_mark'])}" if one["spam_mark"] else ""
    spf = f", SPF {line(one['spf'])}" if one.get("spf") else ""
    how = f"{one['door']} from {line(one['peer'])}{spf}, {sender} to {recipients}"
    return f"{clock_time(one['at'])}  {how}{_collected(one)}{marked}{again}"


def _collected(one: dict[str, Any]) -> str:
    """Say where a collected mail was found, what told its recipient, and whether it is whole."""
    if one["source"] is None:
        return ""
    said = f"; collected by the source {line(one['source'])}"
    if one["origin"] == "none":
        said += ", no field tells for whom"
    elif one["origin"] is not None:
        said += f", for whom the field {line(one['origin'])} told"
    if one["whole_size"] is not None:
        said += f"; its header alone, the mail has {one['whole_size']} octets"
    return said


def _steps(steps: Sequence[dict[str, str]]) -> Iterator[str]:
    rows = [(f"{at}.", line(step["verb"]), line(step["text"])) for at, step in enumerate(steps, 1)]
    return columns(rows) if rows else iter(())


def _earlier(one: dict[str, Any]) -> str:
    last = one["trace"][-1]["text"] if one["trace"] else "no trace"
    return f"{clock_time(one['at'])}  {line(last)}"
