"""Use cases about search: what is searched for, counts, and saved searches (M6)."""

from __future__ import annotations

from maild.core import indexing, lists, profiles
from maild.core.lists import Wanted
from maild.core.profiles import ProfileText
from tests.wall.rows import NONE, SOME, Row, asked_at

_NEW = ProfileText(name="New", query="offer")


ROWS = [
    Row(
        indexing.reindex,
        "none",
        lambda app, by, it, at: indexing.reindex(app, by=by),
        own=NONE,
        colleagues=NONE,
    ),
    Row(
        lists.list_mails,
        "profile",
        lambda app, by, it, at: lists.list_mails(app, Wanted(account=at, profile=it), by=by),
    ),
    Row(
        lists.count_mails,
        "none",
        lambda app, by, it, at: lists.count_mails(app, Wanted(account=at), by=by),
    ),
    Row(
        lists.count_mails,
        "profile",
        lambda app, by, it, at: lists.count_mails(app, Wanted(account=at, profile=it), by=by),
    ),
    Row(
        profiles.list_profiles,
        "none",
        lambda app, by, it, at: profiles.list_profiles(app, account=at, counts=True, by=by),
    ),
    Row(profiles.show_profile, "profile", asked_at(profiles.show_profile)),
    Row(
        profiles.add_profile,
        "none",
        lambda app, by, it, at: profiles.add_profile(app, _NEW, account=at, by=by),
    ),
    Row(
        profiles.change_profile,
        "profile",
        lambda app, by, it, at: profiles.change_profile(
            app, it, ProfileText(pinned=True), account=at, by=by
        ),
        own=SOME,
        colleagues=SOME,
    ),
    Row(
        profiles.remove_profile,
        "profile",
        asked_at(profiles.remove_profile),
        own=SOME,
        colleagues=SOME,
    ),
]
