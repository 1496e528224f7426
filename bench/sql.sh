#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The function "sql" beside the bare tool, in one run:
#
#     bench/sql.sh [SECONDS [ROUNDS]]     10 for each measurement, in 5 rounds
#
#   apart      256 distinct keys a query, 4 at once, PostgreSQL on one core of
#              this machine and its client on another: keys a second of pgbench
#              with the queries that the function sends, and records a second of
#              `kabridge try` with them. Is PostgreSQL kept busy?
#   together   the same on shared cores, where each microsecond of the client's
#              is one that PostgreSQL does not have
#   cached     processor time a record of `kabridge try` when the cache answers
#              all, and with the function identity
#
# Rounds take turns, so that what else the machine does falls on all of them;
# the numbers are medians.
set -eu
top_srcdir=$(cd "$(dirname "$0")/.." && pwd)
top_builddir=${top_builddir-$top_srcdir/build}
. "$top_srcdir/tests/support/postgres.sh"
seconds=${1-10}
rounds=${2-5}
root=$(mktemp -d)
chmod 755 "$root"
trap 'postgres_stop; rm -rf "$root"' EXIT

postgres_start "$root/postgres"
postgres_sql <<'END'
CREATE TABLE customer(id integer PRIMARY KEY, name text, country text,
                      balance numeric, since timestamptz);
INSERT INTO customer SELECT i, 'customer ' || i, 'c' || i % 200, i * 1.25,
    '2020-01-01'::timestamptz + i * interval '1 minute'
    FROM generate_series(1, 100000) i;
END
postgres_sql -c 'VACUUM ANALYZE customer'

binding() {
    printf '[binding %s]\ninput.topics = in\noutput.topic = out\n' "$1"
    printf 'batch.count = 256\nbatch.period = never\nmax.in.flight = 4\n'
    cat
}
columns="id, name, country, balance"
sql="function = sql
function.driver = postgres
function.connection = $postgres_conninfo
function.query = SELECT $columns FROM customer WHERE id IN (:keys)
function.key = /customer"
{
    printf '[kafka]\nbootstrap.servers = 127.0.0.1:1\n'
    echo "$sql" | binding database
    printf '%s\nfunction.cache.ttl = 1h\n' "$sql" | binding cached
    echo "function = identity" | binding identity
} >"$root/conf"

# $1 records of 200 bytes with $2 different keys, no key twice in $2 records.
records() {
    awk -v n="$1" -v keys="$2" 'BEGIN {
        pad = sprintf("%150s", ""); gsub(/ /, "x", pad)
        for (i = 0; i < n; i++)
            printf "{\"customer\":%d,\"number\":%d,\"text\":\"%s\"}\n",
                (i % keys * 7919) % 100000 + 1, i, pad }'
}

# Scripts of pgbench, a batch of keys each, with what the function asks for the
# records of 64 batches.
scripts=
for i in $(seq 1 64); do
    awk -v i="$i" -v columns="$columns" 'BEGIN {
        for (k = 0; k < 256; k++)
            keys = keys (k ? "," : "") "\"" ((i * 256 + k) * 7919) % 100000 + 1 "\""
        printf "SELECT id, row_to_json(kabridge_row) FROM (SELECT %s FROM " \
            "customer WHERE id = ANY (\047{%s}\047)\n) AS kabridge_row " \
            "LIMIT 100001;\n", columns, keys }' | tr '\n' ' ' >"$root/$i.sql"
    scripts="$scripts -f $root/$i.sql"
done

pgbench_rate() {
    PGHOST="$postgres_folder/socket" PGUSER=tester $1 "$(postgres_bin)/pgbench" \
        -n -c 4 -j 2 -M extended -T "$2" $scripts test 2>/dev/null |
        awk '/^tps/ { printf "%.0f\n", $3 * 256 }'
}

# The rate and the processor time of a binding over a file: "rate cpu_us".
try_cost() {
    bash -c 'TIMEFORMAT="%U %S"; time "$@" >/dev/null' - $1 \
        "$top_builddir/kabridge" try "$root/conf" --binding "$2" "$3" \
        2>"$root/try" || { cat "$root/try" >&2; exit 1; }
    awk -v n="$(wc -l <"$3")" '/records.s$/ { rate = $(NF - 1) }
        END { printf "%.0f %.3f\n", rate, ($1 + $2) * 1e6 / n }' "$root/try"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
column() { awk -v c="$1" '{ print $c }'; }

# A round of look-ups: $1 its name, $2 PostgreSQL's cores, $3 the client's.
postmaster=$(head -n 1 "$postgres_folder/data/postmaster.pid")
look_up() {
    taskset -cp "$2" "$postmaster" >/dev/null
    pgbench_rate "taskset -c $3" "$(((seconds + rounds - 1) / rounds))" \
        >>"$root/pgbench-$1"
    try_cost "taskset -c $3" database "$root/distinct" >>"$root/database-$1"
}

tell() {
    pgbench=$(median <"$root/pgbench-$1")
    database=$(column 1 <"$root/database-$1" | median)
    awk -v name="$1" -v p="$pgbench" -v d="$database" -v more="$2" 'BEGIN {
        printf "%-9s pgbench  %8d keys/s\n", name, p
        printf "%-9s kabridge %8d records/s, %.0f %% of it%s\n", name, d,
            100 * d / p, more }'
}

all=0-$(($(nproc) - 1))
records 200000 16384 >"$root/some"
rate=$(try_cost env database "$root/some" | column 1)
records "$((rate * seconds / rounds + 256))" 16384 >"$root/distinct"
records 1000000 2000 >"$root/few"
for round in $(seq 1 "$rounds"); do
    look_up apart 0 1
    look_up together "$all" "$all"
    try_cost env identity "$root/few" >>"$root/identity"
    try_cost env cached "$root/few" >>"$root/cached"
done
tell apart " (wanted: 90)"
tell together ""
column 2 <"$root/database-together" | median |
    awk '{ printf "together  kabridge %8.2f us of processor a record\n", $1 }'
identity=$(column 2 <"$root/identity" | median)
cached=$(column 2 <"$root/cached" | median)
awk -v i="$identity" -v c="$cached" 'BEGIN {
    printf "cached    identity %8.2f us of processor a record\n", i
    printf "cached    sql      %8.2f us of processor a record, %.2f times " \
        "that (wanted: 1.50)\n", c, c / i }'
