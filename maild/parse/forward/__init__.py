"""Originals inside forwards (F1)."""
