#!/bin/sh
# Install Debian packages that are missing, as root or through sudo, without a question and without starting services.
set -eu

say() { printf '%s\n' "maild: $*" >&2; }

missing=
for package in "$@"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        say "these Debian packages are missing:$missing. Install them as root: apt-get install$missing"
        exit 1
    fi
    as_root=sudo
fi

# A policy of 101 keeps packages from starting their services; one that is there already is the machine's own.
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
made_policy=
finish() {
    rm -f "$log"
    [ -z "$made_policy" ] || $as_root rm -f "$policy"
}
trap finish EXIT
if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

apt_get() {
    # --force-confold: configuration that is there stays.
    $as_root env DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical apt-get -qq -y \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 "$@" \
        >"$log" 2>&1 </dev/null
}

say "installing$missing"
apt_get update || say "apt-get update failed; trying with the lists that are there"
# shellcheck disable=SC2086  # one word for each package
if ! apt_get install --no-install-recommends $missing; then
    tail -n 20 "$log" >&2
    say "apt-get could not install$missing; the lines above say why"
    exit 1
fi
