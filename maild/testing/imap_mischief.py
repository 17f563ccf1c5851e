"""What a misbehaving server does instead of obeying: the parts of `maild.testing.imap_scripts`."""

from __future__ import annotations

import asyncio
import re

from maild.testing.scripted_imap import CAPABILITIES, Act, GoneError, Peer


async def hang(peer: Peer, _tag: bytes, _rest: bytes) -> None:
    """Say nothing until the client leaves."""
    while await peer.reader.read(2**16):
        pass
    raise GoneError


async def lose(_peer: Peer, _tag: bytes, _rest: bytes) -> None:
    """Cut the line."""
    raise GoneError


def says(octets: bytes) -> Act:
    """Say this alone; `{tag}` is the command's."""

    async def act(peer: Peer, tag: bytes, _rest: bytes) -> None:
        await peer.say(octets.replace(b"{tag}", tag))

    return act


def before(octets: bytes, name: str) -> Act:
    """Say something, then do what a good server does."""

    async def act(peer: Peer, tag: bytes, rest: bytes) -> None:
        await peer.say(octets)
        await peer.obey(name, tag, rest)

    return act


def drips(octets: bytes) -> Act:
    """Say it slowly, and for ever."""

    async def act(peer: Peer, _tag: bytes, _rest: bytes) -> None:
        while True:
            for octet in octets:
                await peer.say(bytes([octet]))
                await asyncio.sleep(0.05)

    return act


def pours(begin: bytes, piece: bytes) -> Act:
    """Say something without an end."""

    async def act(peer: Peer, _tag: bytes, _rest: bytes) -> None:
        await peer.say(begin)
        while True:
            await peer.say(piece)

    return act


def loses_after(octets: bytes) -> Act:
    """Say half of something and cut the line."""

    async def act(peer: Peer, _tag: bytes, _rest: bytes) -> None:
        await peer.say(octets)
        await asyncio.sleep(0.05)
        raise GoneError

    return act


async def asks_then(peer: Peer, tag: bytes, said: bytes) -> None:
    """Take what a sign-in says, and answer."""
    await peer.more()
    await peer.say(tag + b" " + said + b"\r\n")


def refuses(said: bytes) -> Act:
    """Refuse a sign-in."""

    async def act(peer: Peer, tag: bytes, _rest: bytes) -> None:
        await asks_then(peer, tag, said)

    return act


async def repeats_the_secret(peer: Peer, tag: bytes, _rest: bytes) -> None:
    """Refuse, and repeat what was said."""
    said = await peer.more()
    await peer.say(tag + b" NO not known: " + said + b"\r\n")


async def refuses_token(peer: Peer, tag: bytes, _rest: bytes) -> None:
    """Refuse a token as Google and Microsoft do: with a challenge that must be answered."""
    await peer.more()
    await peer.say(b"+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=\r\n")
    if await peer.line() == b"":
        await peer.say(tag + b" NO [AUTHENTICATIONFAILED] no such token\r\n")


async def asks_for_ever(peer: Peer, _tag: bytes, _rest: bytes) -> None:
    """Want one more word, always."""
    while True:
        await peer.more()


async def injects(peer: Peer, tag: bytes, _rest: bytes) -> None:
    """Slip words in before TLS, in the packet of the answer."""
    await peer.say(tag + b" OK begin\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n* BYE injected\r\n")
    await peer.begin_tls()
    peer.capabilities = CAPABILITIES


async def does_it_late(peer: Peer, tag: bytes, rest: bytes) -> None:
    """Mix what nobody asked for into the answer."""
    answer = (await peer.fetched(rest)).split(b")\r\n* ")
    noise = (
        b'* 9 EXISTS\r\n* 1 RECENT\r\n* 12 EXPUNGE\r\n* 2 FETCH (FLAGS (\\Seen $Junk "x"))\r\n'
        b"* 3 FETCH (UID 5 FLAGS (\\Flagged))\r\n* OK still {5}\r\n* 8 FETCH (MODSEQ (7) UID 99)\r\n"
    )
    await peer.say(noise + (b")\r\n" + noise + b"* ").join(answer) + noise + tag + b" OK done\r\n")


def of_another(name: str) -> Act:
    """Answer about mails that were not asked about."""

    async def act(peer: Peer, tag: bytes, rest: bytes) -> None:
        good = await peer.fetched(rest)
        answer = re.sub(rb"\(UID ([0-9]+) RFC822", rb"(UID 77\1 RFC822", good)
        await peer.say(answer + tag + b" OK " + name.encode() + b"\r\n")

    return act


async def cuts_short(peer: Peer, tag: bytes, rest: bytes) -> None:
    """Give a piece less than was asked for, though there is more."""
    answer = await peer.fetched(rest.replace(b".131072>", b".100000>"))
    await peer.say(answer + tag + b" OK done\r\n")


async def loses_after_a_piece(peer: Peer, tag: bytes, rest: bytes) -> None:
    """Give the first piece of a mail, and half of the second."""
    if b"<0." not in rest:
        await peer.say((await peer.fetched(rest))[:70_000])
        raise GoneError
    await peer.obey("PART", tag, rest)


async def says_no_to_one(peer: Peer, tag: bytes, rest: bytes) -> None:
    """Stumble over one mail, and give none behind it."""
    if 5 in peer.among(rest):
        await peer.say(tag + b" NO [SERVERBUG] internal error\r\n")
    else:
        await peer.obey("BODY", tag, rest)


async def is_never_done(peer: Peer, tag: bytes, rest: bytes) -> None:
    """Agree to IDLE, and never end it."""
    await peer.say(b"+ idling\r\n")
    await hang(peer, tag, rest)
