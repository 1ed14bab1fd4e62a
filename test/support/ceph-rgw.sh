#!/usr/bin/env bash
# A real S3 server for the tests: a throwaway one-machine Ceph (monitor, in-memory store, gateways) on loopback.
set -euo pipefail

readonly STARTUP_SECONDS=60
readonly STOP_SECONDS=30
readonly BINARIES=(ceph ceph-mon ceph-osd monmaptool radosgw radosgw-admin)
readonly PACKAGES=(ceph-common ceph-mon ceph-osd radosgw)

usage() {
  cat >&2 <<'USAGE'
usage: ceph-rgw.sh up DIR [GATEWAYS]     start everything, print the TEST_S3_* settings, keep them in DIR/env
       ceph-rgw.sh gateway-stop DIR N    stop gateway N (from 1); the data stays
       ceph-rgw.sh gateway-start DIR N   start gateway N again, on the same port
       ceph-rgw.sh down DIR              stop everything and remove DIR
USAGE
  exit 2
}

say() { echo "ceph-rgw: $*" >&2; }

# fail MESSAGE [NAME...]: the names are those whose logs may explain it.
fail() {
  local name
  say "$1"
  shift
  for name; do
    [[ -s $dir/$name.log ]] || continue
    say "the end of $dir/$name.log:"
    tail -n 20 "$dir/$name.log" >&2
  done
  exit 1
}

missing_binaries() {
  local binary
  for binary in "${BINARIES[@]}"; do
    command -v "$binary" >/dev/null || echo "$binary"
  done
}

install_missing() {
  [[ -n $(missing_binaries) ]] || return 0
  if ((EUID != 0)) || [[ ! -f /etc/debian_version ]]; then
    fail "missing: $(missing_binaries | xargs). Install (Debian's names) ${PACKAGES[*]}, \
or set TEST_S3_ENDPOINT to another S3 server, or set SKIP_S3=1"
  fi
  say "installing ${PACKAGES[*]}"
  "$(dirname "$0")/install-packages.sh" "${PACKAGES[@]}" || fail "could not install ${PACKAGES[*]}"
}

# Below the range of outgoing connections, so that none takes a stopped gateway's port, and below that of ports.ts.
free_ports() {
  local -A taken=()
  local port
  while ((${#taken[@]} < $1)); do
    port=$((15000 + SRANDOM % 5000))
    if [[ -n ${taken[$port]:-} ]] || (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue; fi
    taken[$port]=1
    echo "$port"
  done
}

random_hex() { od -An -v -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

# Ids of this cluster's processes, known by their first arguments. A zombie has none, so it counts as gone.
# pids_of [NAME]
pids_of() {
  local process args
  for process in /proc/[0-9]*; do
    args=()
    { mapfile -d '' -t args <"$process/cmdline"; } 2>/dev/null || continue
    if [[ " ${args[*]} " == *" --conf=$conf --name=${1:+$1 }"* ]]; then echo "${process#/proc/}"; fi
  done
}

# stop SIGNAL [NAME]
stop() {
  local deadline=$((SECONDS + STOP_SECONDS)) pids
  mapfile -t pids < <(pids_of "${2:-}")
  while ((${#pids[@]})); do
    # One may end by itself meanwhile.
    kill "-$1" "${pids[@]}" 2>/dev/null || true
    sleep 0.1
    mapfile -t pids < <(pids_of "${2:-}")
    if ((SECONDS > deadline)); then return 1; fi
  done
}

# tool NAME COMMAND...: one short step, its output in NAME.log.
tool() {
  local name=$1 program=$2
  shift 2
  timeout -k 5 "$STARTUP_SECONDS" "$program" "--conf=$conf" "--name=$name" "$@" </dev/null >>"$dir/$name.log" 2>&1 ||
    fail "$program failed" "$name" osd.0
}

# daemon NAME COMMAND...: leaves its process id in $daemon_pid. It keeps none of the caller's pipes and no terminal.
daemon() {
  local name=$1 program=$2
  shift 2
  setsid "$program" "--conf=$conf" "--name=$name" -f "$@" </dev/null >>"$dir/$name.log" 2>&1 &
  daemon_pid=$!
  disown
}

# wait_for NAME CHECK...: until the daemon just started passes the check.
wait_for() {
  local name=$1 deadline=$((SECONDS + STARTUP_SECONDS))
  shift
  until "$@"; do
    kill -0 "$daemon_pid" 2>/dev/null || fail "$name ended instead of starting" "$name"
    ((SECONDS < deadline)) || fail "$name did not start in $STARTUP_SECONDS s" "$name"
    sleep 0.1
  done
}

# Whether the daemon just started listens: on a port lost to another program, that one's answer would pass for ours.
listens() {
  local socket
  socket=$(awk -v address="$(printf '0100007F:%04X' "$1")" '$2 == address && $4 == "0A" { print $10 }' /proc/net/tcp)
  [[ -n $socket && $(find "/proc/$daemon_pid/fd" -lname "socket:\[$socket\]" 2>/dev/null) ]]
}

# Asks over bash's own sockets because a bare machine has no curl.
answers() {
  local status=
  {
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3
    read -r -t 5 status <&3 || true
    exec 3>&-
  } 2>/dev/null
  [[ $status == HTTP/1.?\ 200* ]]
}

gateway_ports() { sed -n 's/^rgw frontends = .*:\([0-9]*\) .*/\1/p' "$conf"; }

gateway_start() {
  local port
  daemon "client.gateway$1" radosgw
  port=$(gateway_ports | sed -n "$1p")
  wait_for "client.gateway$1" listens "$port"
  wait_for "client.gateway$1" answers "$port"
}

# - auth none and crc: radosgw otherwise insists on a secure mode that needs keys, and hangs.
# - osd class dir: Debian's built-in value is relative, and radosgw dies without those classes.
# - admin socket: none, so that a long DIR cannot break the length limit of socket paths.
# - paxos: every pool made at the start would otherwise wait for a second.
# - mon data avail crit: the monitor would otherwise refuse a disk that is 95% full.
# - tcp_nodelay: every GET would otherwise take 40 ms.
# - debug: each request would otherwise be told to a log in memory, that nobody reads; errors are in the log all the same.
# - bucket index: of 11 parts otherwise, all of which are made with a bucket and read for a list.
write_conf() {
  local monitor=$1 class_dir number=0 port
  shift
  class_dir=$(find -L /usr/lib /usr/lib64 -maxdepth 2 -name rados-classes -print -quit 2>/dev/null || true)
  cat >"$conf" <<CONF
[global]
fsid = $(</proc/sys/kernel/random/uuid)
mon host = v2:127.0.0.1:$monitor
ms bind msgr1 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms client mode = crc
ms service mode = crc
ms cluster mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
keyring = /dev/null
run dir = $dir
crash dir = $dir
admin socket =
log file = $dir/\$name.log
mon data = $dir/mon
mon data avail crit = 1
mon allow pool size one = true
mon max pg per osd = 1000
paxos propose interval = 0.05
paxos min wait = 0.01
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd class dir = $class_dir
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
rgw thread pool size = 64
rgw override bucket index max shards = 1
debug rgw = 0/0
debug osd = 0/0
debug objclass = 0/0
debug ms = 0/0
CONF
  for port; do
    number=$((number + 1))
    cat >>"$conf" <<CONF
[client.gateway$number]
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw data = $dir
CONF
  done
}

start_cluster() {
  local monitor=$1 fsid osd_uuid
  fsid=$(sed -n 's/^fsid = //p' "$conf")
  osd_uuid=$(</proc/sys/kernel/random/uuid)
  mkdir "$dir/mon" "$dir/osd"

  tool client.admin monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$monitor]" "$dir/monmap"
  tool mon.a ceph-mon --mkfs --monmap "$dir/monmap"
  daemon mon.a ceph-mon
  wait_for mon.a listens "$monitor"
  # A new cluster's first store always gets the number 0.
  tool client.admin ceph osd new "$osd_uuid"
  tool osd.0 ceph-osd --mkfs --osd-uuid "$osd_uuid"
  daemon osd.0 ceph-osd
}

up() {
  local count=$1 ports number access_key secret_key endpoints=()
  if [[ -d $dir && -n $(ls -A "$dir") ]]; then fail "$dir is not empty: give another, or run 'down' on it first"; fi
  install_missing
  mkdir -p "$dir"
  trap 'stop KILL' EXIT

  mapfile -t ports < <(free_ports $((count + 1)))
  write_conf "${ports[@]}"
  start_cluster "${ports[0]}"

  access_key=$(random_hex 10)
  secret_key=$(random_hex 20)
  tool client.admin radosgw-admin user create --uid=visage --display-name=visage \
    "--access-key=$access_key" "--secret-key=$secret_key"
  for ((number = 1; number <= count; number++)); do
    gateway_start "$number"
    endpoints+=("http://127.0.0.1:${ports[number]}")
  done

  (
    IFS=,
    cat >"$dir/env" <<ENV
TEST_S3_ENDPOINT=${endpoints[0]}
TEST_S3_ENDPOINTS=${endpoints[*]}
TEST_S3_ACCESS_KEY_ID=$access_key
TEST_S3_SECRET_ACCESS_KEY=$secret_key
ENV
  )
  trap - EXIT
  cat "$dir/env"
}

down() {
  stop KILL || fail "could not end all processes of $dir"
  if [[ -f $conf ]]; then
    rm -rf "$dir"
  elif [[ -d $dir ]]; then
    rmdir "$dir" || fail "$dir is not this script's: left alone"
  fi
}

if (($# < 2 || $# > 3)) || [[ -z $2 || ! ${3:-1} =~ ^[1-9]$ ]]; then usage; fi
dir=$(realpath -m "$2")
# No other program is likely to have a file of this name: it marks a folder that `down` may remove.
conf=$dir/ceph-rgw-test.conf

case $1 in
  up) up "${3:-1}" ;;
  down) down ;;
  gateway-stop | gateway-start)
    [[ -n ${3:-} && -f $dir/env ]] || usage
    (($3 <= $(gateway_ports | wc -l))) || fail "$dir has no gateway $3"
    if [[ $1 == gateway-stop ]]; then
      stop TERM "client.gateway$3" || stop KILL "client.gateway$3" || fail "gateway $3 did not end" "client.gateway$3"
    elif [[ -z $(pids_of "client.gateway$3") ]]; then
      trap 'stop KILL "client.gateway$3"' EXIT
      gateway_start "$3"
      trap - EXIT
    fi
    ;;
  *) usage ;;
esac
