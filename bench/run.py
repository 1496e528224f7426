# SPDX-License-Identifier: Apache-2.0
"""bench/run.sh: what kabridge costs, beside the least it can cost.

    bench/run.sh                 every part
    bench/run.sh --quick         every part, small and once: does it run?
    bench/run.sh pass latency    some parts
    bench/run.sh --list          the parts

Each round measures every case of a part once, in turn, so that what else the
machine does falls on all of them. The table has medians, and in brackets the
least and the most; the ratio is to the first case of the part, the median of
the rounds' own ratios. With --out the table and a plot of each part (SVG, if
gnuplot is there) are written to a folder.
"""
import argparse
import os
import platform
import signal
import statistics
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "tests" / "kafka"), str(TOP / "bench")]

from broker import VERSION, Broker  # noqa: E402
from chart import draw  # noqa: E402
from harness import Kit  # noqa: E402
from parts import PARTS, Bench  # noqa: E402


def show(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def ratio(results, name, column):
    """To the first case of the same round."""
    first = next(iter(results.values()))
    return statistics.median(
        mine[column] / base[column] if base[column] else 1
        for mine, base in zip(results[name], first))


def cell(runs, column):
    values = [run[column] for run in runs]
    return (f"{show(statistics.median(values))} "
            f"({show(min(values))}-{show(max(values))})")


def table(part, results):
    """Lines of Markdown; the ratio is that of the first column."""
    columns = list(next(iter(results.values()))[0])
    lines = [f"### {part.name}: {part.question}", "",
             f"| case | {' | '.join(columns)} | ratio |",
             "|---|" + "---|" * (len(columns) + 1)]
    for name, runs in results.items():
        cells = [cell(runs, column) for column in columns]
        lines.append(f"| {name} | {' | '.join(cells)} | "
                     f"{ratio(results, name, columns[0]):.2f} |")
    return lines + [""]


def measure(part, rounds, warms):
    """The results of each case; a first round that warms is thrown away."""
    results = {name: [] for name in part.cases}
    for turn in range(rounds + warms):
        for name, case in part.cases.items():
            got = case()
            print(f"{part.name} {turn}: {name}: " + ", ".join(
                f"{show(value)} {column}" for column, value in got.items()),
                flush=True)
            if turn >= warms:
                results[name].append(got)
    return results


def heading(options):
    library = os.environ.get("LD_LIBRARY_PATH", "")
    return [f"Kafka {VERSION} on the same {os.cpu_count()} cores, "
            f"{platform.machine()}, {options.records} records, "
            f"{options.rounds} rounds, load {os.getloadavg()[0]:.1f} at the "
            f"start{'; libraries of ' + library if library else ''}.", ""]


def bench(options):
    lines = heading(options)
    with Broker() as broker:
        kit = Kit(broker, "bench")
        try:
            maker = Bench(kit, options.records)
            for name in options.parts or PARTS:
                part = PARTS[name](maker)
                results = measure(part, options.rounds,
                                  0 if options.quick else 1)
                lines += table(part, results)
                if options.out:
                    draw(part, results, options.out)
        finally:
            kit.end(False)
    print("\n" + "\n".join(lines))
    if options.out:
        (options.out / "results.md").write_text("\n".join(lines) + "\n")
    return 0


def main():
    parser = argparse.ArgumentParser(
        prog="bench/run.sh", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--records", type=int, default=2000000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown or options.list:
        print("\n".join(PARTS), file=sys.stderr if unknown else sys.stdout)
        return 64 if unknown else 0
    if options.quick:
        options.records, options.rounds = 160000, 1
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return bench(options)


if __name__ == "__main__":
    sys.exit(main())
