#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The function "sql" in a running bridge: rows that come late are looked for
# again, the database vanishes and comes back, and each record arrives once
# with its own row.
set -eu
. "$top_srcdir/tests/support/postgres.sh"
root=$(mktemp -d)
chmod 755 "$root" # the server may be another user
pids=
trap 'kill $pids 2>/dev/null || true; postgres_stop; rm -rf "$root"' EXIT
tool=$top_builddir/kab-kafka-tool
fail() { echo "$1" >&2; tail -n 20 "$root/log" >&2; exit 1; }

# Until a command succeeds; half a minute at most.
await() {
    n=0
    until "$@"; do
        n=$((n + 1))
        [ "$n" -lt 600 ] || fail "waited in vain: $*"
        sleep 0.05
    done
}

postgres_start "$root/postgres"
postgres_sql <<'END'
CREATE TABLE customer(id integer PRIMARY KEY, name text);
INSERT INTO customer SELECT i, 'n' || i FROM generate_series(1, 80) i;
END

mkfifo "$root/records"
"$top_builddir/mock-cluster" orders joined letters <"$root/records" \
    >"$root/brokers" 3>&- &
pids=$!
exec 3>"$root/records"
await test -s "$root/brokers"
brokers=$(cat "$root/brokers")

cat >"$root/conf" <<END
[kafka]
bootstrap.servers = $brokers
[admin]
listen = off
[binding join]
input.topics = orders
output.topic = joined
dead.letter.topic = letters
group = join
batch.count = 16
max.in.flight = 3
commit.interval = 10ms
retry.max.attempts = 1000
function = sql
function.driver = postgres
function.connection = $postgres_conninfo
function.query = SELECT id, name FROM customer WHERE id IN (:keys)
function.key = /customer
function.missing = retry
function.missing.delay = 100ms
function.missing.attempts = 900
END

# 100 customers, of which 20 have no row yet.
orders() {
    awk -v from="$1" -v to="$2" 'BEGIN { for (i = from; i <= to; i++)
        printf "orders\t%d\t{\"order\":%d,\"customer\":%d}\n", i, i, i % 100 + 1 }' >&3
}
committed_is() {
    "$tool" wait brokers="$brokers" topic=orders group=join committed="$1" \
        seconds=0 | grep -q "\"reached\":true"
}
has_joined() {
    [ "$("$tool" dump brokers="$brokers" topic=joined | wc -l)" -ge "$1" ]
}

"$top_builddir/kabridge" run "$root/conf" 2>"$root/log" 3>&- &
bridge=$!
pids="$pids $bridge"
orders 0 999
await has_joined 800
committed_is 1000 && fail "records whose row is missing are committed"

postgres_stop immediate
orders 1000 1999
await grep -q 'the database cannot be reached' "$root/log"
postgres_continue
await has_joined 1600
postgres_sql -c "INSERT INTO customer SELECT i, 'n' || i FROM generate_series(81, 100) i"
await committed_is 2000
kill -TERM "$bridge"
wait "$bridge" || fail "the bridge's status is $?"

"$tool" dump brokers="$brokers" topic=joined >"$root/joined"
python3 - "$root/joined" <<'END' || fail "what arrived is wrong"
import json, sys
rows = [json.loads(bytes.fromhex(json.loads(line)["value"])) for line in open(sys.argv[1])]
assert sorted(row["order"] for row in rows) == list(range(2000)), len(rows)
for row in rows:
    assert row["row"] == {"id": row["customer"], "name": "n%d" % row["customer"]}, row
END
[ -z "$("$tool" dump brokers="$brokers" topic=letters)" ] ||
    fail "there are dead letters"
