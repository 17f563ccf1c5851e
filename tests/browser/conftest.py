"""A company behind a running API, as the tests of the API have it."""

from __future__ import annotations

from tests.api.conftest import acme, app, clock, served

__all__ = ["acme", "app", "clock", "served"]
