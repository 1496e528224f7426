#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The core stands on floors: a file calls only files of floors below its own.
# Files with the same word behind their floor are one unit. The calls are read
# from the symbols of the built objects.
set -u
archive=${KAB_CORE_ARCHIVE:-.libs/libkab-core.a}

floors='
0 timers
0 adaptive
0 ceiling
0 transaction-size
0 group
0 backoff
0 slot
0 error
0 names
1 limits
1 lane
1 limiter
2 stop
2 set
2 call
3 partition
3 buffer
3 failure
3 metadata-cap
4 commit
5 emission outlet
5 sink outlet
5 transaction-recovery outlet
5 flush
6 valve
6 retry
7 assignment
7 answer
7 dispatch
7 stall
8 inspect
8 check
9 engine
'

# Prints each call that goes up or stays on its floor, and files without one.
find_faults() {
    { echo "$1" | sed 's/^/floor /'; nm -A "$archive"; } | awk '
        $1 == "floor" && NF >= 3 { floor[$3] = $2; unit[$3] = NF > 3 ? $4 : $3 }
        $1 == "floor" { next }
        {
            split($1, place, ":")
            file = place[2]
            sub(/^.*la-/, "", file)
            sub(/\.o$/, "", file)
            symbol = $NF
            files[file] = 1
            if ($(NF - 1) == "U")
                uses[file, symbol] = 1
            else if ($(NF - 1) ~ /^[TDBR]$/)
                home[symbol] = file
        }
        END {
            for (file in files)
                if (!(file in floor))
                    print file ".c stands on no floor"
            for (use in uses) {
                split(use, pair, SUBSEP)
                from = pair[1]
                to = home[pair[2]]
                if (to == "" || to == from || unit[to] == unit[from])
                    continue
                if (floor[to] >= floor[from])
                    print from ".c calls " pair[2] " of " to ".c above it"
            }
        }' | sort
}

faults=$(find_faults "$floors")
if [ -n "$faults" ]; then
    echo "$faults"
    exit 1
fi
# The check itself: with the sink on the ground floor, calls go up.
upside_down=$(echo "$floors" | sed 's/^5 sink outlet/0 sink/')
if [ -z "$(find_faults "$upside_down" | grep '^sink.c calls')" ]; then
    echo "a call that goes up a floor is not found"
    exit 1
fi
