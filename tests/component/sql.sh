#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The function "sql" against SQLite, as `kabridge try` runs it: joins, missing
# rows, composite keys, files that are replaced, and what it refuses.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
kabridge=$top_builddir/kabridge
fail() { echo "$1" >&2; cat "$root/err" "$root/out" >&2; exit 1; }

# What "try WORDS..." prints and says, and its status.
try() {
    wanted=$1
    shift
    status=0
    "$kabridge" try "$root/conf" "$@" >"$root/out" 2>"$root/err" || status=$?
    [ "$status" -eq "$wanted" ] || fail "try $*: status $status, not $wanted"
}

prints() { cmp -s - "$root/out" || fail "$1"; }
says() { grep -q "$1" "$root/err" || fail "does not say: $1"; }

binding() {
    printf '[binding %s]\ninput.topics = in\noutput.topic = out\n' "$1"
    printf 'function = sql\nfunction.driver = sqlite\n'
    printf 'function.connection = %s\n' "$root/db"
    cat
}

{
    printf '[kafka]\nbootstrap.servers = 127.0.0.1:1\n'
    binding one <<END
function.query = SELECT * FROM customer WHERE id IN (:keys)
function.key = /id
END
    binding pairs <<END
function.query = SELECT id, region, item FROM orders WHERE (id, region) IN (:keys) ORDER BY item; -- all of them
function.key = /id, /a~1b
function.into = /x/y
function.missing = drop
END
    binding reject <<END
function.query = SELECT id, name FROM customer WHERE id IN (:keys)
function.key = /id
function.missing = reject
END
    binding late <<END
function.query = SELECT id, name FROM customer WHERE id IN (:keys)
function.key = /id
function.missing = retry
function.missing.delay = 1ms
function.missing.attempts = 3
function.cache.missing.ttl = 1h
END
    binding cached <<END
function.query = SELECT id, name FROM customer WHERE id IN (:keys)
function.key = /id
function.cache.ttl = 1h
max.in.flight = 1
batch.count = 1
END
    binding fresh <<END
function.query = SELECT id, name FROM customer WHERE id IN (:keys)
function.key = /id
max.in.flight = 1
batch.count = 1
END
    binding loose <<END
function.query = SELECT name, id FROM customer WHERE lower(name) IN (:keys)
function.key = /id
END
    for column in text untyped; do
        binding "$column" <<END
function.query = SELECT code, name FROM $column WHERE code IN (:keys)
function.key = /id
END
    done
    binding codes <<END
function.query = SELECT code, region, name FROM codes WHERE (code, region) IN (:keys)
function.key = /id, /region
END
    binding writes <<END
function.query = DELETE FROM customer WHERE id IN (:keys) RETURNING id
END
    binding twice <<END
function.query = SELECT id, name, name FROM customer WHERE id IN (:keys)
END
    binding misspelt <<END
function.query = SELECT id FROM costumer WHERE id IN (:keys)
END
    binding unbound <<END
function.query = SELECT id FROM customer WHERE id IN (:keys) AND name = :name
END
    binding keyless <<END
function.query = SELECT id FROM customer
END
    binding failing <<END
function.query = SELECT id, abs(-9223372036854775807 - id) FROM customer WHERE id IN (:keys)
function.key = /id
END
} >"$root/conf"

"$top_builddir/sqlite-run" "$root/db" <<'END'
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, factor REAL, more JSON, picture BLOB, big INTEGER);
INSERT INTO customer VALUES
    (1, 'Ann "A"', 0.1, '{"a": 1.0}', x'00ff', 9007199254740993),
    (2, 'Bob', 1e300, 'no json', NULL, 0),
    (3, 'Cid', NULL, NULL, NULL, NULL);
CREATE TABLE orders(id INTEGER, region TEXT, item TEXT);
CREATE TABLE text(code TEXT, name TEXT);
INSERT INTO text VALUES ('7', 'seven'), ('07', 'james'), ('1.5', 'half');
CREATE TABLE untyped(code, name TEXT);
INSERT INTO untyped VALUES (7, 'seven'), ('07', 'james'), (1.5, 'half');
CREATE TABLE codes(code TEXT, region TEXT, name TEXT);
INSERT INTO codes VALUES ('7', '8', 'seven');
INSERT INTO orders VALUES (1, 'eu', 'a'), (1, 'eu', 'b'), (2, 'us', 'c');
END

# Numbers keep their digits, JSON columns their text; the rest of the record
# its bytes. Keys that are no text or number are missing.
cat >"$root/lines" <<'END'
{"id": 1, "n": 1.10 }
{"id":"2"}
{"id":20e-1,"row":null}
{"id":"03"}
{"id":9}
{"id":null}
{}
[1]
no json
END
try 65 --binding one "$root/lines"
prints "the rows" <<'END'
{"id": 1, "n": 1.10,"row":{"id":1,"name":"Ann \"A\"","factor":0.1,"more":{"a": 1.0},"picture":"\\x00ff","big":9007199254740993} }
{"id":"2","row":{"id":2,"name":"Bob","factor":1e+300,"more":"no json","picture":null,"big":0}}
{"id":20e-1,"row":{"id":2,"name":"Bob","factor":1e+300,"more":"no json","picture":null,"big":0}}
{"id":"03","row":{"id":3,"name":"Cid","factor":null,"more":null,"picture":null,"big":null}}
{"id":9}
{"id":null}
{}
END
says "lines:8: rejected after 1 call, stage decode: found JSON that is not an obj"
says "lines:9: rejected after 1 call, stage decode: found a value that is not"

# A number and its text are one key, whatever the column's type is and whichever
# of them comes first.
for column in text untyped; do
    for lines in '{"id":7}\n{"id":"7"}\n{"id":1.5}\n{"id":"1.5"}\n' \
        '{"id":"7"}\n{"id":7.0}\n{"id":"1.5"}\n{"id":15e-1}\n'; do
        printf "$lines" | try 0 --binding "$column"
        grep -o '"name":"[a-z]*"' "$root/out" | tr -d '\n' >"$root/names"
        [ "$(cat "$root/names")" = '"name":"seven""name":"seven""name":"half""name":"half"' ] ||
            fail "a number and its text are two keys"
    done
done
printf '{"id":7,"region":8}\n{"id":"7","region":8}\n{"id":"7","region":"8"}\n' |
    try 0 --binding codes
[ "$(grep -c seven "$root/out")" = 3 ] || fail "a number of a pair is not its text"

# One output a row, the rows of the pairs that were asked for and no others.
try 65 --binding pairs - <<'END'
{"id":1,"a/b":"eu"}
{"id":2,"a/b":"us","x":{"k":1}}
{"id":1,"a/b":"us"}
{"id":2,"a/b":"us","x":3}
END
prints "the pairs" <<'END'
{"id":1,"a/b":"eu","x":{"y":{"id":1,"region":"eu","item":"a"}}}
{"id":1,"a/b":"eu","x":{"y":{"id":1,"region":"eu","item":"b"}}}
{"id":2,"a/b":"us","x":{"k":1,"y":{"id":2,"region":"us","item":"c"}}}
END
says "stdin:4: rejected .* no place for the row"
says "2 done, 1 without output, 1 failed"

echo '{"id":9}' | try 65 --binding reject
says "there is no row for the record's key"

# Late rows: looked for again, whatever the cache says, and passed in the end.
printf '{"id":9}\n{"id":1}\n{}\n' | try 0 --binding late
prints "what passed late" <<'END'
{"id":9}
{"id":1,"row":{"id":1,"name":"Ann \"A\""}}
{}
END
says "^3 lines in [34] batches: 3 done"

# More calls than a record gets are told before anything starts; the default
# counts, too, and no limit is enough for all.
impatient() {
    status=0
    "$kabridge" check "$root/conf" "$@" >"$root/out" 2>"$root/err" || status=$?
}
impatient --set 'binding late/function.missing.attempts=6'
[ "$status" = 78 ] || fail "check ended with $status"
says "function.missing.attempts: found missing.attempts 6 above retry.max.attempts 5"
impatient --set 'binding one/function.missing=retry' \
    --set 'binding one/retry.max.attempts=2'
[ "$status" = 78 ] || fail "check ended with $status"
says "retry.max.attempts: found missing.attempts 3 above retry.max.attempts 2"
impatient --set 'binding late/function.missing.attempts=6' \
    --set 'binding late/retry.max.attempts=0' \
    --set 'binding one/function.missing.attempts=6'
[ "$status" = 0 ] || fail "check ended with $status: $(cat "$root/err")"

# Another file under the same name is noticed, but for what is cached.
replaced() {
    rm -f "$root/other" "$root/first"
    "$top_builddir/sqlite-run" "$root/other" <<'END'
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO customer VALUES (1, 'new');
END
    cp "$root/db" "$root/kept"
    mkfifo "$root/first"
    "$kabridge" try "$root/conf" --binding "$1" "$root/first" >"$root/out" \
        2>"$root/err" &
    exec 3>"$root/first"
    echo '{"id":1}' >&3
    until [ -s "$root/out" ]; do sleep 0.01; done
    mv "$root/other" "$root/db"
    echo '{"id":1}' >&3
    exec 3>&-
    wait $! || fail "a database file that was replaced is not opened again"
    mv "$root/kept" "$root/db"
}
replaced fresh
prints "the new file" <<'END'
{"id":1,"row":{"id":1,"name":"Ann \"A\""}}
{"id":1,"row":{"id":1,"name":"new"}}
END
replaced cached
prints "the cache" <<'END'
{"id":1,"row":{"id":1,"name":"Ann \"A\""}}
{"id":1,"row":{"id":1,"name":"Ann \"A\""}}
END

# A query that finds a key by other rules than letter by letter.
echo '{"id":"bob"}' | try 69 --binding loose
says "found a row whose first columns are not a key of the batch"

echo '{"id":1}' >"$root/lines"
try 78 --binding writes "$root/lines"
says "found a query that writes; wanted a SELECT"
try 78 --binding twice "$root/lines"
says "found two columns of the name name"
try 78 --binding misspelt "$root/lines"
says "no such table: costumer"
try 78 --binding unbound "$root/lines"
says "found a parameter :name; wanted :keys alone"
try 78 --binding one --set 'binding one/function.into=row' "$root/lines"
says "function.into: found .row.; wanted a JSON Pointer"
try 78 --binding keyless "$root/lines"
says "found no :keys in the query"
try 65 --binding failing - <<'END'
{"id":1}
{"id":9}
END
says "permanent after"
rm "$root/db"
try 78 --binding one "$root/lines"
says "unable to open database file"
