"""maild: takes in mail, says who sent it, files it, and keeps a mailbox with one owner per mail."""

__version__ = "0.1.0"
