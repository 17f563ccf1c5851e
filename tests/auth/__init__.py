"""Proof of the From (I3)."""
