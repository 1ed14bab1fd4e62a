#!/usr/bin/env bash
# Installs Debian packages for the tests, one copy of this script at a time: install-packages.sh PACKAGE...
# No service of theirs is started, and none is left enabled.
set -euo pipefail

readonly ATTEMPTS=3
readonly POLICY=/usr/sbin/policy-rc.d

(($# > 0)) || { echo 'usage: install-packages.sh PACKAGE...' >&2; exit 2; }

# apt waits for dpkg's lock when told to, but not for that of its package lists.
exec 9>/var/cache/apt/visage-test.lock
flock -w 900 9

units() { find /etc/systemd -path '*.wants/*' -type l -printf '%f\n' 2>/dev/null | sort -u; }

before=$(units)
if [[ ! -e $POLICY ]]; then
  # https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt: 101 forbids to start anything.
  printf '#!/bin/sh\nexit 101\n' >$POLICY
  chmod +x $POLICY
  trap 'rm -f $POLICY' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
for ((attempt = 1; ; attempt++)); do
  if timeout 300 apt-get -o DPkg::Lock::Timeout=600 update -q &&
    timeout 900 apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-install-recommends "$@"; then
    break
  fi
  if ((attempt == ATTEMPTS)); then
    echo "install-packages: could not install $*" >&2
    exit 1
  fi
  sleep $((5 * attempt))
done >&2

comm -13 <(echo "$before") <(units) | while read -r unit; do
  find /etc/systemd -path '*.wants/*' -type l -name "$unit" -delete
done
