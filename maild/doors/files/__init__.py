"""Archives in files: mbox, Maildir and folders of .eml (D13)."""
