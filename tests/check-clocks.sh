#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No wall clock decides anything: it jumps. It is read only where a time is
# shown, compared with a time that somebody else wrote, or used as chance; and
# every wait with a time-out is on a condition of the monotonic clock.
# usage: check-clocks.sh [TREE]
set -eu
tree=${1:-${top_srcdir:-.}}
cd "$tree"
status=0
complain() {
    echo "$1"
    status=1
}

# file, and why it may read the wall clock
readers="
plugin/cli/dlq.c                  --since 2h, of timestamps in letters
plugin/cli/try-edge.c             the timestamp of a record made up
plugin/cli/try-sample.c           the timestamp of a record made up
plugin/functions/http-sign.c      the time that a signature carries
plugin/functions/http-verdict.c   Retry-After with a date
plugin/ops/admin.c                the time shown on /status
plugin/runtime/log.c              the time of a line
plugin/runtime/tap.c              the time of a record shown
plugin/runtime/trace.c            the time of a span; a seed
"
found=$(grep -rlE --include='*.c' --include='*.h' \
    'g_get_real_time|g_date_time_new_now|CLOCK_REALTIME|gettimeofday|[^a-z_]time\((NULL|0|&)' \
    plugin include | sort)
for file in $found; do
    echo "$readers" | grep -q "^$file " ||
        complain "$file: reads the wall clock, and is not known to"
done
for file in $(echo "$readers" | awk 'NF { print $1 }'); do
    echo "$found" | grep -qx "$file" ||
        complain "$file: does not read the wall clock any more"
done

grep -rnE --include='*.c' 'sem_timedwait|mutex_timedlock|mq_timed' plugin &&
    complain "these wait by the wall clock"

# A condition has the monotonic clock by its attributes.
waits=$(grep -rhoE --include='*.c' 'pthread_cond_timedwait\(&[a-z_>.-]+' plugin |
    sed 's/.*[>.]//' | sort -u)
[ "$(echo "$waits" | wc -w)" -ge 2 ] || complain "found few waits: $waits"
for name in $waits; do
    grep -rnE --include='*.c' "pthread_cond_init\(&[a-z_]+(->|\.)$name, NULL\)" plugin &&
        complain "$name: waited for with a time-out, by the wall clock"
done
inits=$(grep -rlE --include='*.c' 'pthread_cond_init\(.*, &' plugin)
for file in $inits; do
    grep -q 'pthread_condattr_setclock(.*, CLOCK_MONOTONIC)' "$file" ||
        complain "$file: a condition without CLOCK_MONOTONIC"
done
exit $status
