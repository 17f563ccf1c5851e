#!/bin/sh
# Takes one event of maild's webhooks with openssl and curl: verifies its signature, fetches the mail, prints its document.
# For a CGI script, or any server that starts a program for each request; exit 0: answer 204, 1: answer 401, 2: answer 500.
#
#   WEBHOOK_SECRET=whsec_…  MAILD_URL=http://127.0.0.1:8025  MAILD_TOKEN=maild_…  \
#       take.sh WEBHOOK-ID WEBHOOK-TIMESTAMP WEBHOOK-SIGNATURE < body
set -eu

id=$1 timestamp=$2 signatures=$3
body=$(mktemp) && trap 'rm -f "$body"' EXIT
cat >"$body"

case $timestamp in '' | *[!0-9]*) exit 1 ;; esac
age=$(($(date +%s) - timestamp))
[ "$age" -le 300 ] && [ "$age" -ge -300 ] || { echo "the event is too old" >&2; exit 1; }

key=$(printf %s "${WEBHOOK_SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
ours=$({ printf %s. "$id" "$timestamp"; cat "$body"; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)

# During a rotation there are two signatures: one that fits is enough.
case " $signatures " in
    *" v1,$ours "*) ;;
    *) echo "the signature does not fit" >&2; exit 1 ;;
esac

# Ids are letters and digits: nothing else is ever put into a URL.
mail=$(sed -n 's/.*"mail":"\([0-9A-Z]*\)".*/\1/p' "$body")
[ -n "$mail" ] || exit 0
answer=$(mktemp) && trap 'rm -f "$body" "$answer"' EXIT
status=$(curl --silent --show-error --max-time 10 -H "Authorization: Bearer $MAILD_TOKEN" \
    --output "$answer" --write-out '%{http_code}' "$MAILD_URL/api/v1/mails/$mail") || exit 2
case $status in
    200) cat "$answer" ;;
    # We may not see the mail, or it is gone: to ask again would not help.
    403 | 404 | 410) echo "not for us: $mail" >&2 ;;
    *) exit 2 ;;
esac
