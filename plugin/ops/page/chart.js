/* Chart: lines over time with a scale, a time axis and values to read.
 *
 * It is made once and redrawn from its samples. The plot is a slider over
 * time for the keyboard and for screen readers; what the pointer or the
 * slider is at is shown by every chart of the same binding.
 */
const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 152, TOP = 10, BOTTOM = 22, LEFT = 54, RIGHT = 8;
/* A window that is not full begins with so many samples. */
const SHORTEST = 30;

function element(name, properties, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties || {}))
        if (key in made)
            made[key] = value;
        else
            made.setAttribute(key, value);
    made.append(...children);
    return made;
}

function drawn(name, attributes, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes || {}))
        made.setAttribute(key, value);
    made.append(...children);
    return made;
}

/* Sets a text only when it changes: nothing is read out again for nothing. */
function setText(node, text) {
    if (node.textContent !== text)
        node.textContent = text;
}

/* A round step of a scale; base 1024: of powers of two. */
function niceStep(top, n, base) {
    const raw = top / n;
    if (base === 1024)
        return 2 ** Math.ceil(Math.log2(raw));
    const power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 2.5, 5, 10].find(step => step * power >= raw - 1e-12) * power;
}

/* Path of the known values; a gap begins a new line. */
function pathOf(values, x, y) {
    let path = "", open = false;
    values.forEach((value, i) => {
        if (!known(value)) {
            open = false;
            return;
        }
        path += (open ? "L" : "M") + x(i).toFixed(1) + " " + y(value).toFixed(1);
        if (!open && !known(values[i + 1]))
            path += "h.1";
        open = true;
    });
    return path;
}

function areaOf(values, x, y, base) {
    let path = "", start = null;
    for (let i = 0; i <= values.length; i++) {
        const isKnown = i < values.length && known(values[i]);
        if (isKnown && start === null)
            start = i;
        if (isKnown || start === null)
            continue;
        path += "M" + x(start).toFixed(1) + " " + base;
        for (let j = start; j < i; j++)
            path += "L" + x(j).toFixed(1) + " " + y(values[j]).toFixed(1);
        path += "L" + x(i - 1).toFixed(1) + " " + base + "Z";
        start = null;
    }
    return path;
}

/* A small line without axes, for a row of a table. */
function drawSpark(svg, values) {
    const top = Math.max(...values.filter(known), 1e-9), n = values.length;
    const path = pathOf(values, i => n > 1 ? 96 * i / (n - 1) : 96, v => 20 - 18 * v / top);
    svg.firstChild.setAttribute("d", path);
}

/* what: title, unit, format(value), series: [{ name, key, limit }], floor:
 * the least top of the scale, base: 1024 for bytes. group: what its charts share: the cursor. */
class Chart {
    constructor(what, group) {
        this.what = what;
        this.group = group;
        this.samples = [];
        this.legend = what.series.map(() => element("b"));
        this.svg = drawn("svg", { "aria-hidden": "true", focusable: "false" });
        this.tip = element("div", { className: "tip", hidden: true });
        this.plot = element("div", {
            className: "plot", tabIndex: 0, role: "slider", "aria-label": what.title + ", " + what.unit,
            "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0,
        }, this.svg, this.tip);
        this.root = element("figure", { className: "chart" },
            element("figcaption", {},
                element("h3", { className: "title", style: "margin:0" }, what.title),
                element("span", { className: "unit" }, what.unit),
                element("ul", { className: "legend" }, ...what.series.map((s, i) =>
                    element("li", {}, element("i", { className: "key s" + (i + 1) }), s.name, this.legend[i])))),
            this.plot);
        this.listen();
    }
    listen() {
        this.plot.addEventListener("pointermove", event => this.point(event));
        this.plot.addEventListener("pointerdown", event => this.point(event));
        this.plot.addEventListener("pointerleave", () => this.group.moveTo(null, null));
        this.plot.addEventListener("blur", () => this.group.moveTo(null, null));
        this.plot.addEventListener("keydown", event => this.press(event));
    }
    /* A browser repeats the last move when the layout changes: ignored. */
    point(event) {
        const place = event.clientX + " " + event.clientY;
        if (event.type === "pointermove" && place === this.group.place)
            return;
        this.group.place = place;
        const box = this.plot.getBoundingClientRect();
        const share = (event.clientX - box.left - LEFT) / Math.max(box.width - LEFT - RIGHT, 1);
        const i = Math.round(share * (this.span - 1)) - (this.span - this.samples.length);
        this.group.moveTo(Math.min(Math.max(i, 0), this.samples.length - 1), this);
    }
    press(event) {
        const last = this.samples.length - 1;
        const at = this.group.cursor === null ? last : this.group.cursor;
        const moves = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
            PageUp: at - 10, PageDown: at + 10, Home: 0, End: last };
        if (event.key === "Escape") {
            this.group.moveTo(null, null);
        } else if (event.key in moves) {
            event.preventDefault();
            this.group.moveTo(Math.min(Math.max(moves[event.key], 0), last), this);
        }
    }
    /* samples: those of the window; span: how many have room in it. */
    draw(samples, span) {
        this.samples = samples;
        this.span = Math.min(span, Math.max(samples.length, SHORTEST));
        this.width = this.plot.clientWidth || 400;
        const values = this.what.series.map(s => samples.map(sample => sample[s.key]));
        const highest = Math.max(...values.flat().filter(known), this.what.floor || 1e-9);
        this.step = niceStep(highest, 3, this.what.base);
        this.top = Math.ceil(highest / this.step - 1e-9) * this.step;
        const series = drawn("g", { class: "series" });
        values.forEach((line, i) => this.drawSeries(series, line, i));
        this.marks = drawn("g", { class: "cursor" });
        this.svg.replaceChildren(this.drawGrid(), series, this.marks);
        if (!values.flat().some(known))
            this.svg.append(drawn("text", { class: "none", x: LEFT + 12, y: 74 }, "nothing to show yet"));
        this.drawCursor();
    }
    x(i) {
        const from = this.span - this.samples.length;
        return LEFT + (this.width - LEFT - RIGHT) * (from + i) / (this.span - 1);
    }
    y(value) {
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / this.top;
    }
    drawSeries(parent, line, i) {
        const x = n => this.x(n), y = value => this.y(value);
        if (i === 0 && !this.what.series[i].limit)
            parent.append(drawn("path", { class: "area s1", d: areaOf(line, x, y, HEIGHT - BOTTOM) }));
        parent.append(drawn("path", { class: this.what.series[i].limit ? "limit" : "s" + (i + 1), d: pathOf(line, x, y) }));
    }
    drawGrid() {
        const grid = drawn("g", { class: "grid" });
        for (let value = 0; value <= this.top * 1.001; value += this.step) {
            const y = this.y(value);
            grid.append(drawn("line", { class: value ? "" : "base", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }),
                drawn("text", { x: LEFT - 7, y: y + 4, "text-anchor": "end" }, this.what.format(value)));
        }
        for (const share of [0, .5, 1]) {
            const seconds = Math.round((1 - share) * (this.span - 1));
            const words = seconds === 0 ? "now" : "−" + (seconds < 100 ? seconds + " s" : Math.round(seconds / 60) + " min");
            grid.append(drawn("text", { x: LEFT + share * (this.width - LEFT - RIGHT), y: HEIGHT - 5,
                "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle" }, words));
        }
        return grid;
    }
    /* The values where the cursor is; without one, the newest. */
    drawCursor() {
        const isAt = this.group.cursor !== null && this.group.cursor < this.samples.length;
        const i = isAt ? this.group.cursor : this.samples.length - 1;
        const sample = this.samples[i] || {};
        this.what.series.forEach((s, n) => setText(this.legend[n], this.what.format(sample[s.key])));
        this.marks.replaceChildren();
        if (isAt)
            this.mark(i, sample);
        this.tip.hidden = !isAt || this.group.owner !== this;
        if (!this.tip.hidden)
            this.showTip(i, sample);
        this.tell(i, sample);
    }
    mark(i, sample) {
        const x = this.x(i);
        this.marks.append(drawn("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT - BOTTOM }));
        this.what.series.forEach((s, n) => {
            if (known(sample[s.key]))
                this.marks.append(drawn("circle", { class: "s" + (n + 1), cx: x, cy: this.y(sample[s.key]), r: 3.5 }));
        });
    }
    words(sample) {
        return this.what.series.map(s => s.name + " " + this.what.format(sample[s.key])).join(", ");
    }
    showTip(i, sample) {
        setText(this.tip, clock(sample.at) + "  " + this.words(sample));
        const x = this.x(i), room = this.width - this.tip.offsetWidth;
        this.tip.style.left = Math.max(0, Math.min(x + 8 > room ? x - this.tip.offsetWidth - 8 : x + 8, room)) + "px";
    }
    tell(i, sample) {
        this.plot.setAttribute("aria-valuemax", Math.max(this.samples.length - 1, 0));
        this.plot.setAttribute("aria-valuenow", Math.max(i, 0));
        const words = sample.at ? clock(sample.at) + ": " + this.words(sample) : "no values yet";
        this.plot.setAttribute("aria-valuetext", words);
    }
}

/* The charts of one binding: one cursor for all. */
class ChartGroup {
    constructor(charts) {
        this.cursor = null;
        this.owner = null;
        this.place = null;
        this.charts = charts.map(what => new Chart(what, this));
    }
    moveTo(i, owner) {
        this.cursor = i;
        this.owner = owner;
        for (const chart of this.charts)
            if (chart.marks)
                chart.drawCursor();
    }
    /* What was pointed at moves on with the window. */
    shift(n) {
        if (this.cursor !== null)
            this.cursor = Math.max(0, this.cursor - n);
    }
    draw(samples, span) {
        for (const chart of this.charts)
            chart.draw(samples, span);
    }
}
