# SPDX-License-Identifier: Apache-2.0
"""script/soak: a long storm, sampled and plotted."""
import argparse
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from broker import Broker
from harness import Background, Kit
from storm import SESSION_S, Storm

# Where members die faster than sessions end a group stands still, whoever its
# members are: each rebalance waits for the dead, and gives those who die
# meanwhile a session more. So a session passes from one fault to the next, and
# then there is a bound on standing still.
CALM_S = (SESSION_S + 1, SESSION_S + 7)
STILL_S = 30

PLOT = """\
set terminal {kind} size 1200,700 {more}
set output "{output}"
set multiplot layout 2,1 title "{title}"
set xlabel "seconds"
set grid
set key left top
set ylabel "records"
set yrange [0:*]
plot "{data}" using 1:2 with lines lw 2 title "lag"
set ylabel "records/s"
plot "{data}" using 1:3 with lines lw 2 title "finished", \\
     "{data}" using 1:4 with lines title "calls repeated or failed"
unset multiplot
"""


def sample(members, source, group, kit):
    """Lag by the broker, and what the members have counted so far."""
    try:
        lag = kit.tool("wait", topic=source, group=group, seconds=0).lag
    except RuntimeError:
        lag = None  # the broker is away
    scrapes = {m.process.pid: m.metrics() for m in members if m.process}
    return lag, scrapes


def grown(now, before, name):
    """How much a counter grew over all processes that lived through it; a
    new process counts from nothing."""
    return sum(metrics.total(name) - before.get(pid, metrics).total(name)
               if pid in before else metrics.total(name)
               for pid, metrics in now.items() if metrics)


def watch(asked, storm, path, seconds, every=2, told_every=30):
    """A line each two seconds: time, lag, finished and retried a second. Each
    half minute who waits is told."""
    begin, last, before = time.monotonic(), time.monotonic(), {}
    next_told = told_every
    with open(path, "w") as out:
        print("# seconds\tlag\tfinished/s\tretried/s", file=out)
        while not asked.wait(every):
            lag, now = sample(storm.members, storm.source,
                              storm.members[0].group, storm.kit)
            moment = time.monotonic()
            span, last = moment - last, moment
            rates = [grown(now, before, name) / span for name in
                     ("records_finished_total", "records_retried_total")]
            before.update({pid: m for pid, m in now.items() if m})
            print(f"{moment - begin:.1f}\t{'?' if lag is None else lag}\t"
                  f"{rates[0]:.0f}\t{rates[1]:.0f}", file=out, flush=True)
            if moment - begin >= next_told:
                next_told += told_every
                print(f"{moment - begin:6.0f} s of {seconds}: "
                      f"{rates[0]:.0f} records/s, lag "
                      f"{'unknown' if lag is None else lag}, "
                      f"{len(storm.happened)} faults so far", flush=True)


def plot(data, output, title):
    if not shutil.which("gnuplot"):
        print("no gnuplot: no plot", file=sys.stderr)
        return False
    kind, more = ("svg", "") if output.suffix == ".svg" else ("pngcairo", "")
    script = PLOT.format(kind=kind, more=more, output=output, data=data,
                         title=title)
    return subprocess.run(["gnuplot"], input=f'set datafile missing "?"\n'
                          f"{script}", text=True).returncode == 0


def soak(options):
    output = Path(options.plot).resolve()
    data = output.with_suffix(".tsv")
    with Broker() as broker:
        kit = Kit(broker, "soak")
        failed = True
        try:
            storm = Storm(kit, options.seed, delivery=options.delivery,
                          rate=options.rate, order="key", function_fail=20,
                          function_retry=2, calm_s=CALM_S)
            print(f"{options.seconds} s, seed {options.seed}, samples in "
                  f"{data}", flush=True)
            watcher = Background(watch, storm, data, options.seconds)
            try:
                storm.blow(options.seconds)
                storm.settle()
            finally:
                watcher.stop()
            storm.judge(STILL_S)
            failed = kit.failures > 0
        finally:
            kit.end(failed)
    drawn = plot(data, output, f"{options.delivery}, {options.rate} "
                 f"records/s, faults of seed {options.seed}")
    if drawn:
        print(f"plot in {output}")
    return 1 if failed or not drawn else 0


def main():
    parser = argparse.ArgumentParser(prog="script/soak")
    parser.add_argument("--delivery", default="at-least-once",
                        choices=("at-least-once", "exactly-once"))
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seed", type=int,
                        default=time.time_ns() % 1000000)
    parser.add_argument("--plot", default="build/soak.svg")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return soak(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
