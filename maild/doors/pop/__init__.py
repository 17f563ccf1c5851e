"""The POP3 client (D4): poplib's sessions, with reading, TLS, time and memory of our own."""
