#!/bin/sh
# What the tests need of Debian: a real Postfix and swaks as clients, a PostgreSQL, a Dovecot and a HAProxy and a Chromium that the tests start themselves, node and curl for the examples, and strace to kill between system calls.
set -eu
cd "$(dirname "$0")/.."

if ! command -v apt-get >/dev/null 2>&1; then
    echo "maild: not a Debian system; make sure that Postfix, swaks, openssl and a PostgreSQL server are installed" >&2
    exit 0
fi
exec tools/apt-install.sh postfix swaks libnet-ssleay-perl openssl postgresql strace dovecot-imapd dovecot-pop3d haproxy chromium nodejs curl
