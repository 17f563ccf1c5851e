"""Bytes to a Letter, or a reason why not."""
