"""Webhooks: rounds on a clock that stands still, receivers that misbehave, and the daemon."""
