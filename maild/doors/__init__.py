"""Protocols in, an Envelope and bytes out; no rule about mail lives here."""
