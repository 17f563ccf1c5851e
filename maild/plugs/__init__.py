"""Sockets for what varies between companies."""
