"""The IMAP door: a narrow client of other servers, on aioimaplib."""
