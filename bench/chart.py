# SPDX-License-Identifier: Apache-2.0
"""Draws the first column of a part's results: a bar for each case, with the
least and the most of its rounds."""
import shutil
import statistics
import subprocess

SCRIPT = """\
set terminal svg size 760,{height} font "sans,13" background "white"
set output "{output}"
set title "{title}"
set xlabel "{column}"
set xrange [0:*]
set yrange [{last}.5:-0.5]
set ytics ({tics})
set grid x
unset key
set style fill solid 0.6 noborder
plot "-" using 1:0:(0):1:($0-0.3):($0+0.3) with boxxyerror linecolor "#4477aa", \\
     "-" using 1:0:2:3 with xerrorbars pointtype 0 linecolor "#222222"
{bars}
e
{spreads}
e
"""


def draw(part, results, folder):
    """Writes NAME.svg; nothing where gnuplot is missing."""
    if not shutil.which("gnuplot"):
        return
    column = next(iter(next(iter(results.values()))[0]))
    values = {name: [run[column] for run in runs]
              for name, runs in results.items()}
    medians = {name: statistics.median(of) for name, of in values.items()}
    script = SCRIPT.format(
        height=110 + 32 * len(values), output=folder / f"{part.name}.svg",
        title=part.question, column=column, last=len(values) - 1,
        tics=", ".join(f'"{name}" {i}' for i, name in enumerate(values)),
        bars="\n".join(f"{median}" for median in medians.values()),
        spreads="\n".join(f"{medians[name]} {min(of)} {max(of)}"
                          for name, of in values.items()))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
