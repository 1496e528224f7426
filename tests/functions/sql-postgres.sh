#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The function "sql" against a real PostgreSQL: joins, what becomes of errors,
# a server that vanishes and comes back, statements that nobody wants.
set -eu
. "$top_srcdir/tests/support/postgres.sh"
root=$(mktemp -d)
chmod 755 "$root" # the server may be another user
trap 'postgres_stop; rm -rf "$root"' EXIT
kabridge=$top_builddir/kabridge
fail() { echo "$1" >&2; tail -n 20 "$root/err" "$root/out" >&2; exit 1; }

# What "try WORDS..." prints and says, and its status.
try() {
    wanted=$1
    shift
    status=0
    timeout 60 "$kabridge" try "$root/conf" "$@" >"$root/out" \
        2>"$root/err" || status=$?
    [ "$status" -eq "$wanted" ] || fail "try $*: status $status, not $wanted"
}

prints() { cmp -s - "$root/out" || fail "$1"; }
says() { grep -q "$1" "$root/err" || fail "does not say: $1"; }

# Until a command succeeds; half a minute at most.
await() {
    n=0
    until "$@"; do
        n=$((n + 1))
        [ "$n" -lt 3000 ] || fail "waited in vain: $*"
        sleep 0.01
    done
}

postgres_start "$root/postgres"
postgres_sql <<'END'
CREATE TABLE customer(id integer PRIMARY KEY, name text, factor float8,
                      more json, picture bytea, amount numeric);
INSERT INTO customer VALUES
    (1, 'Ann "A"', 0.1, '{"a":  1.0}', '\x00ff', 12345678901234567890.10),
    (2, 'Bob', 1e300, NULL, NULL, 1.50);
CREATE TABLE orders(id integer, region text, item text);
INSERT INTO orders VALUES (1, 'eu', 'a'), (1, 'eu', 'b"\'), (2, 'u"\s', 'c');
CREATE TABLE big(id bigint PRIMARY KEY, name text);
INSERT INTO big SELECT i, 'n' || i FROM generate_series(1, 3000) i;
CREATE TABLE told(id integer);
CREATE FUNCTION tell(id integer) RETURNS integer LANGUAGE plpgsql AS
    'BEGIN INSERT INTO told VALUES (id); RETURN id; END';
CREATE FUNCTION nap(id bigint) RETURNS bigint LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(30); RETURN id; END';
END

binding() {
    printf '[binding %s]\ninput.topics = in\noutput.topic = out\n' "$1"
    printf 'function = sql\nfunction.driver = postgres\n'
    printf 'function.connection = %s\n' "${2-$postgres_conninfo}"
    printf 'function.key = /id\nretry.backoff = 1ms\n'
    cat
}

by_id='function.query = SELECT id, name FROM big WHERE id IN (:keys)'
{
    printf '[kafka]\nbootstrap.servers = 127.0.0.1:1\n'
    binding one <<END
function.query = SELECT * FROM customer WHERE id IN (:keys)
END
    binding pairs <<END
function.query = SELECT id, region, item FROM orders WHERE (id, region) IN (:keys) ORDER BY item -- all
function.key = /id, /region
END
    echo "[binding big]
input.topics = in
output.topic = out
function = sql
function.driver = postgres
function.connection = $postgres_conninfo
$by_id
function.cache.ttl = 50ms
function.cache.max.bytes = 64KiB
batch.count = 64
batch.period = never"
    binding single <<END
$by_id
max.in.flight = 1
batch.count = 1
END
    binding nap <<END
function.query = SELECT nap(id), name FROM big WHERE id IN (:keys)
call.timeout = 500ms
retry.max.attempts = 1
END
    binding loose <<END
function.query = SELECT name, id FROM big WHERE upper(name) IN (:keys)
END
    binding writes <<END
function.query = SELECT tell(id) FROM customer WHERE id IN (:keys)
END
    binding misspelt <<END
function.query = SELECT id FROM costumer WHERE id IN (:keys)
END
    binding stranger "host=$postgres_folder/socket user=nobody-known dbname=test" <<END
$by_id
END
    binding nowhere "host=$postgres_folder/socket user=tester dbname=nowhere password=hush-hush" <<END
$by_id
END
    binding garbled "hush-hush = = =" <<END
$by_id
END
} >"$root/conf"
# A composite key's own option stands for the usual one.
awk '/^\[/ { section = $0 }
     section == "[binding pairs]" && $0 == "function.key = /id" { next }
     { print }' "$root/conf" >"$root/conf.new"
mv "$root/conf.new" "$root/conf"

# The server makes the JSON; a key that it refuses is alone in that.
cat >"$root/lines" <<'END'
{"id":1,"n":1.10}
{"id":"02"}
{"id":20e-1}
{"id":"abc"}
{"id":9}
END
try 65 --binding one "$root/lines"
prints "the rows" <<'END'
{"id":1,"n":1.10,"row":{"id":1,"name":"Ann \"A\"","factor":0.1,"more":{"a":  1.0},"picture":"\\x00ff","amount":12345678901234567890.10}}
{"id":"02","row":{"id":2,"name":"Bob","factor":1e+300,"more":null,"picture":null,"amount":1.50}}
{"id":20e-1,"row":{"id":2,"name":"Bob","factor":1e+300,"more":null,"picture":null,"amount":1.50}}
{"id":9}
END
says ":4: permanent after .*SQLSTATE 22P02"
grep -q abc "$root/err" && fail "the key that was refused is told"

try 0 --binding pairs - <<'END'
{"id":1,"region":"eu"}
{"id":2,"region":"u\"\\s"}
{"id":2,"region":"eu"}
END
prints "the pairs" <<'END'
{"id":1,"region":"eu","row":{"id":1,"region":"eu","item":"a"}}
{"id":1,"region":"eu","row":{"id":1,"region":"eu","item":"b\"\\"}}
{"id":2,"region":"u\"\\s","row":{"id":2,"region":"u\"\\s","item":"c"}}
{"id":2,"region":"eu"}
END

# Calls that overlap, a cache that is too small: each row on its own record.
# The record's key is text, the column a number.
awk 'BEGIN { for (i = 0; i < 20000; i++) {
    id = (i * 7919) % 3100 + 1
    printf "{\"key\":\"%d\",\"value\":{\"i\":%d}}\n", id, i } }' >"$root/lines"
try 0 --binding big --json "$root/lines"
awk 'BEGIN { for (i = 0; i < 20000; i++) {
    id = (i * 7919) % 3100 + 1
    row = id <= 3000 ? sprintf(",\"row\":{\"id\":%d,\"name\":\"n%d\"}", id, id) : ""
    printf "{\"line\":%d,\"outcome\":\"value\",\"key\":\"%d\",\"value\":{\"i\":%d%s}}\n", \
        i + 1, id, i, row } }' | prints "rows of calls that overlap"

# One record after another through a pipe, while the server comes and goes.
mkfifo "$root/pipe"
feed() {
    "$kabridge" try "$root/conf" --binding single "$root/pipe" >"$root/out" \
        2>"$root/err" &
    fed=$!
    exec 3>"$root/pipe"
}
has_lines() { [ "$(wc -l <"$root/out")" -ge "$1" ]; }
has_said() { grep -q "$1" "$root/err"; }
feed
echo '{"id":1}' >&3
await has_lines 1
postgres_sql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kabridge'"
began=$(date +%s)
echo '{"id":2}' >&3
await has_lines 2
[ $(($(date +%s) - began)) -lt 15 ] || fail "a closed connection was waited for"
postgres_stop immediate
echo '{"id":3}' >&3
await has_said 'the database cannot be reached'
echo '{"id":4}' >&3
postgres_continue
await has_lines 4
exec 3>&-
wait "$fed" || fail "a server that comes back"
[ "$(grep -c '"row":{"id":' "$root/out")" = 4 ] || fail "a row was lost"
says '^4 lines in .* 4 done, 0 without output, 0 failed'

# Away at the start: waited for.
postgres_stop fast
feed
echo '{"id":5}' >&3
await has_said 'the database cannot be reached'
postgres_continue
await has_lines 1
exec 3>&-
wait "$fed" || fail "a server that is away at first"

# What nobody waits for any more is ended at the server.
is_quiet() {
    [ "$("$(postgres_bin)/psql" -qAt "$postgres_conninfo" -c \
        "SELECT count(*) FROM pg_stat_activity
         WHERE application_name = 'kabridge' AND state = 'active'")" = 0 ]
}
echo '{"id":1}' >"$root/lines"
began=$(date +%s)
try 65 --binding nap "$root/lines"
says "timeout after 1 call"
await is_quiet
[ $(($(date +%s) - began)) -lt 15 ] || fail "a statement was not ended"

# What only the user can mend stops at once, and says no secret.
echo '{"id":"N1"}' | try 69 --binding loose
says "found a row whose first columns are not a key of the batch"
echo '{"id":1}' | try 69 --binding writes
says "SQLSTATE 25006"
[ -z "$("$(postgres_bin)/psql" -qAt "$postgres_conninfo" -c 'TABLE told')" ] ||
    fail "a query wrote"
try 78 --binding misspelt "$root/lines"
says 'relation "costumer" does not exist (SQLSTATE 42P01)'
try 78 --binding stranger "$root/lines"
says '28000: role "nobody-known" does not exist'
try 78 --binding nowhere "$root/lines"
says '3D000: database "nowhere" does not exist'
try 78 --binding garbled "$root/lines"
says "wanted key = value pairs"
grep -q hush-hush "$root/err" && fail "a secret is told"
true
