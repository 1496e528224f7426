#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Does the simulator find bugs? Applies each of mutations*.txt to a copy of the
# engine, runs the simulator against it, and prints a table. Fails if one is
# not found, or does not apply any more.
#
# usage: mutate.sh [NAME]...     LIMIT=schedules JOBS=n CC=compiler
#        mutate.sh --applies     only checks that each one applies and compiles
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
LIMIT=${LIMIT:-20000}
JOBS=${JOBS:-2}
CC=${CC:-gcc}
export LIMIT CC top
work=$(mktemp -d)
export work
trap 'rm -rf "$work"' EXIT

cat "$top"/tests/sim/mutations*.txt >"$work/list"
all=$(sed -n 's/^== \([^:]*\):.*/\1/p' "$work/list")

flags="-std=gnu11 -O1 -w -I$top/include -I$top/plugin/core $(pkg-config --cflags glib-2.0)"
libs=$(pkg-config --libs glib-2.0)
export flags libs

# Writes name, file, and the mutated source of one block.
cat >"$work/apply.pl" <<'PERL'
my ($list, $name, $core, $out) = @ARGV;
local $/; open(my $in, '<', $list) or die; my $text = <$in>;
my ($block) = $text =~ /^== \Q$name\E:[^\n]*\n(.*?)(?=^== |\z)/ms
    or die "$name: no such mutation\n";
my ($file, @lines) = split /\n/, $block;
my @old = map { substr($_, 1) } grep { /^-/ } @lines;
my @new = map { substr($_, 1) } grep { /^\+/ } @lines;
open(my $source, '<', "$core/$file") or die "$name: $core/$file: $!\n";
my $code = <$source>;
my $pattern = join '\n', map { '[ ]*' . quotemeta($_) } @old;
my $n = () = $code =~ /$pattern/g;
die "$name: stands $n times in $file, not once; mend it\n"
    if $n != 1;
my $replacement = join "\n", @new;
$code =~ s/$pattern/$replacement/;
open(my $mutant, '>', $out) or die; print $mutant $code;
print $file;
PERL

cat >"$work/compiles.sh" <<'SH'
name=$1
mutant=$work/$name.c
perl "$work/apply.pl" "$work/list" "$name" "$top/plugin/core" "$mutant" \
    >/dev/null && $CC $flags -fsyntax-only "$mutant"
SH

if [ "${1:-}" = --applies ]; then
    printf '%s\n' $all | xargs -P "$JOBS" -I{} sh "$work/compiles.sh" {}
    exit
fi

mkdir "$work/base"
for source in "$top"/plugin/core/*.c "$top"/tests/sim/*.c; do
    echo "$source"
done | xargs -P "$JOBS" -I{} sh -c \
    '$CC $flags -c "$1" -o "$work/base/$(basename "$1" .c)-$(basename "$(dirname "$1")").o"' - {}

cat >"$work/one.sh" <<'SH'
name=$1
dir=$work/$name
mkdir "$dir"
file=$(perl "$work/apply.pl" "$work/list" "$name" "$top/plugin/core" \
    "$dir/mutant.c" 2>"$dir/error") || {
    echo "$name: NOT APPLIED: $(cat "$dir/error")"
    exit 0
}
objects=$(ls "$work"/base/*.o | grep -v "/${file%.c}-core.o$")
$CC $flags -c "$dir/mutant.c" -o "$dir/mutant.o" 2>"$dir/error" &&
    $CC $objects "$dir/mutant.o" $libs -o "$dir/kab-sim" 2>>"$dir/error" || {
    echo "$name: NOT BUILT: $(head -1 "$dir/error")"
    exit 0
}
if "$dir/kab-sim" --schedules "$LIMIT" --brief >"$dir/log" 2>/dev/null; then
    echo "$name: NOT FOUND in $LIMIT schedules"
else
    held=$(sed -n 's/^# \([0-9]*\) schedules.*/\1/p' "$dir/log")
    printf '%-40s found in schedule %s\n' "$name" $((held + 1))
fi
rm -rf "$dir"
SH

names=${*:-$all}
printf '%s\n' $names | xargs -P "$JOBS" -I{} sh "$work/one.sh" {} |
    tee "$work/table"
total=$(wc -l <"$work/table")
missed=$(grep -c ': NOT' "$work/table" || true)
echo "$((total - missed)) of $total mutations found"
[ "$missed" -eq 0 ]
