"""What every use case needs: the store, a clock, and a maker of names."""

from __future__ import annotations

from dataclasses import dataclass

from maild.model.clock import Clock, Ids, new_ulid, system_clock
from maild.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Handed to every public function of core; never a global."""

    store: Store
    clock: Clock = system_clock
    ids: Ids = new_ulid


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a user, or the operator (None), who runs the command line."""

    user_id: int | None = None


OPERATOR = Actor()
