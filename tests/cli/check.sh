#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kabridge check: faults and their status, values and their origin, functions.
. "$top_srcdir/tests/cli/expect.sh"
KABRIDGE_MODULE_PATH=$top_builddir/tests/support/modules/.libs
export KABRIDGE_MODULE_PATH

cat >right.conf <<'END'
[kafka]
bootstrap.servers = ${BROKERS:-localhost:1}
sasl.password = hunter2
[binding b]
input.topics = in
function = fitting
function.url = http://localhost
function.token = hunter3
END
expect 0 check right.conf
says 'right.conf: no fault; bindings: 1'
expect 0 check right.conf --set 'admin/listen=off' --set 'binding b/order=key'

# Every fault at once, in the order of the lines; the last are those of --set.
sed 's/^function.url.*/batch_count = 5/' right.conf >wrong.conf
echo 'order = sorted' >>wrong.conf
cat >wanted <<'END'
wrong.conf:4: [binding b] function.url: found none; wanted one, function fitting needs it: Where to call.
wrong.conf:7: [binding b] batch_count: found an unknown key; wanted an option of a binding, function.…, consumer.… or producer.…, perhaps batch.count
wrong.conf:9: [binding b] order: found "sorted"; wanted one of unordered, ordered, key, partition
--set: [log] level: found "loud"; wanted one of error, warning, info, debug
END
for verb in check run; do
    expect 78 $verb wrong.conf --set 'log/level=loud'
    cmp wanted err || fail "wanted: $(cat wanted)"
done
grep -v ^function right.conf >without.conf
for verb in check run; do
    expect 78 $verb without.conf
    says 'without.conf:4: [binding b] function: found none; wanted the name of a function; kabridge functions lists them'
done

expect 78 check nowhere.conf
expect 64 check right.conf --set batch.count=5
says "kabridge: --set: found \"batch.count\"; wanted SECTION/KEY=VALUE, like 'binding scoring/batch.count=64'"

BROKERS=other:2 expect 0 check --print right.conf --set 'binding b/batch.count=7'
prints 'right.conf:2 environment bootstrap.servers = other:2'
prints '--set                    batch.count = 7'
prints 'default                  batch.bytes = 1MiB'
prints 'right.conf:7             function.url = http://localhost'
prints '(secret)'
expect 0 check --print right.conf --set 'binding b/function.url=http://me:hunter4@host/a@b:c'
prints 'function.url = http://me:(secret)@host/a@b:c'
if grep -q hunter out err; then fail "wanted no secret shown"; fi

# A function is opened only with --connect.
expect 0 check right.conf --set 'binding b/function.fail=no model'
expect 78 check --connect right.conf --set 'binding b/function.fail=no model'
says 'right.conf:6: [binding b] function: found fitting, which does not open: told to fail: no model'

# A configuration is small, and faults cost no more than their number.
expect 78 check /dev/zero
says '/dev/zero: found no file that can be read; wanted a configuration of 1 MiB at most (it has more than 1048576 bytes)'
# Under a sanitizer that many would take minutes: AddressSanitizer's strict
# string checks read to the end of the text at every string call.
many=75000
[ -z "${SAN_FLAGS:-}" ] || many=1000
awk -v many="$many" 'BEGIN { print "[binding b]"; for (i = 0; i < many; i++) printf "key.%06d=\n", i }' >many.conf
start=$(date +%s)
expect 78 check many.conf
[ $(($(date +%s) - start)) -le 30 ] || fail "wanted $many unknown keys judged within 30 s"
[ "$(wc -l <err)" -ge "$many" ] || fail 'wanted every unknown key named'

# A module that was cut off is a fault, not a signal.
mkdir -p broken
head -c 9000 "$KABRIDGE_MODULE_PATH/fitting.so" >broken/short.so
: >broken/empty.so
mkdir -p broken/folder.so
while read -r kind problem; do
    sed "s|^function = .*|function = $PWD/broken/$kind.so|" right.conf >cut.conf
    for verb in check run; do
        expect 78 $verb cut.conf
        says "cut.conf:6: [binding b] function: found $PWD/broken/$kind.so, $problem; wanted a module"
    done
done <<'KINDS'
short which is cut off
empty which is empty
folder which is a directory
KINDS

# Too few descriptors for the bindings: one error with both numbers.
{
    printf '[kafka]\nbootstrap.servers = localhost:1\n[admin]\nlisten = off\n'
    for i in $(seq 100); do
        printf '[binding b%d]\ninput.topics = in\nfunction = fitting\nfunction.url = x\n' "$i"
    done
} >hundred.conf
(ulimit -n 1024 && expect 69 run hundred.conf)
says 'kabridge: found a limit of 1024 file descriptors (RLIMIT_NOFILE, ulimit -n); wanted at least 1732 for 100 bindings: raise it, or run the bindings in several processes'
