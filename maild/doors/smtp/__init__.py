"""The SMTP and LMTP doors (D2): aiosmtpd is the engine, everything that touches bytes or promises is ours."""
