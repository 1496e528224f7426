/* View: one section a binding, made once and changed in place, so that the
 * focus, what is open and what is selected stay where they are.
 */
const milliseconds = value => duration(value);
const CHARTS = [
    { title: "Throughput", unit: "records a second", format: number, floor: 1,
        series: [{ name: "taken", key: "taken" }, { name: "finished", key: "finished" }] },
    { title: "Lag", unit: "records behind the end", format: number, floor: 10,
        series: [{ name: "all partitions", key: "lag" }] },
    { title: "Record latency", unit: "taken to acknowledged", format: milliseconds, floor: .001,
        series: [{ name: "p50", key: "record50" }, { name: "p90", key: "record90" }, { name: "p99", key: "record99" }] },
    { title: "Call time", unit: "of the function", format: milliseconds, floor: .001,
        series: [{ name: "p50", key: "call50" }, { name: "p99", key: "call99" }] },
    { title: "Batch size", unit: "records, mean", format: number, floor: 1,
        series: [{ name: "records", key: "batch" }] },
    { title: "Calls in flight", unit: "of the function", format: number, floor: 1,
        series: [{ name: "calls", key: "calls" }, { name: "limit", key: "callsLimit", limit: true }] },
    { title: "Oldest unfinished record", unit: "its age", format: duration, floor: 1,
        series: [{ name: "age", key: "oldest" }] },
    { title: "Retries and failures", unit: "a second", format: number, floor: 1,
        series: [{ name: "retried", key: "retried" }, { name: "failed calls", key: "failed" }, { name: "dead letters", key: "dead" }] },
    { title: "Buffer", unit: "bytes taken and not finished", format: bytes, floor: 1024, base: 1024,
        series: [{ name: "bytes", key: "bytes" }] },
];
const MANY_ROWS = 16, SPARK = 60;

class Tile {
    constructor(title) {
        this.value = element("span");
        this.more = element("span", { className: "more" });
        this.root = element("div", { className: "tile" },
            element("dt", {}, title), element("dd", {}, this.value, this.more));
    }
    show(value, more, isBad) {
        setText(this.value, value);
        setText(this.more, more || "");
        this.root.classList.toggle("bad", Boolean(isBad));
    }
}

/* What made the batches of the window leave. */
class Shares {
    constructor() {
        this.bar = element("div", { className: "shares", role: "img" });
        this.legend = element("ul", { className: "share-legend" });
        this.root = element("div", { className: "wide" },
            element("div", { className: "title" }, "What makes a batch leave"), this.bar, this.legend);
    }
    draw(samples) {
        const sums = TRIGGERS.map((_, i) => samples.reduce((sum, s) => sum + s.triggers[i], 0));
        const total = sums.reduce((a, b) => a + b, 0);
        const shown = TRIGGERS.map((name, i) => ({ name, i, share: total ? sums[i] / total : 0 }));
        const words = ({ name, share }) => name + " " + (100 * share).toFixed(share && share < .1 ? 1 : 0) + " %";
        this.bar.setAttribute("aria-label", total ? shown.map(words).join(", ") : "no batch has left yet");
        this.bar.replaceChildren(...shown.filter(s => s.share).map(s =>
            element("i", { className: "t" + s.i, style: "flex:" + s.share })));
        this.legend.replaceChildren(...shown.map(s => element("li", {},
            element("i", { className: "t" + s.i, "aria-hidden": "true" }), s.name,
            element("b", {}, (100 * s.share).toFixed(0) + " %"))));
    }
}

const COLUMNS = [
    ["state", p => p.state], ["lag", p => number(p.lag)], ["", null],
    ["position", p => p.position], ["committed", p => p.committed], ["end", p => p.end],
    ["finished beyond", p => number(p.finished_beyond)],
    ["oldest unfinished", p => p.oldest_unfinished === null ? null
        : p.oldest_unfinished + (known(p.oldest_unfinished_seconds) ? " (" + duration(p.oldest_unfinished_seconds) + ")" : "")],
    ["waits for", p => p.waits_for || null],
];

class Partitions {
    constructor(id) {
        this.rows = new Map();
        this.isWhole = false;
        this.body = element("tbody");
        const titles = COLUMNS.map(([title, get]) => element("th", { scope: "col", className: title === "waits for" ? "words" : "" }, get ? title : "lag, last minute"));
        this.table = element("table", { className: "cards" }, element("caption", {}, "Partitions"),
            element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "partition"), ...titles)), this.body);
        this.button = element("button", { type: "button", className: "more-rows", hidden: true });
        this.button.addEventListener("click", () => {
            this.isWhole = !this.isWhole;
            this.draw(this.partitions, this.samples);
        });
        this.empty = element("p", { className: "unit" }, "None is assigned to this process.");
        this.root = element("div", { className: "wide" },
            element("div", { className: "scroll", role: "region", "aria-label": "Partitions of " + id, tabIndex: 0 }, this.table),
            this.empty, this.button);
    }
    rowOf(partition) {
        const name = nameOf(partition);
        if (!this.rows.has(name)) {
            const cells = COLUMNS.map(([title, get]) => get
                ? element("td", { "data-title": title, className: title === "waits for" ? "words" : "" })
                : element("td", { "data-title": "lag, last minute" },
                    drawn("svg", { class: "spark", viewBox: "0 0 96 22", preserveAspectRatio: "none", "aria-hidden": "true" }, drawn("path"))));
            this.rows.set(name, { cells, row: element("tr", {}, element("th", { scope: "row" }, name), ...cells) });
        }
        return this.rows.get(name);
    }
    /* Of many, those with the most lag. */
    choose(partitions) {
        if (this.isWhole || partitions.length <= MANY_ROWS)
            return partitions;
        return [...partitions].sort((a, b) => (b.lag || 0) - (a.lag || 0)).slice(0, MANY_ROWS);
    }
    draw(partitions, samples) {
        this.partitions = partitions;
        this.samples = samples;
        const recent = samples.slice(-SPARK), names = new Set(partitions.map(nameOf));
        for (const name of this.rows.keys())
            if (!names.has(name))
                this.rows.delete(name);
        const rows = this.choose(partitions).map(p => {
            const { row, cells } = this.rowOf(p);
            COLUMNS.forEach(([, get], i) => {
                const value = get ? get(p) : null;
                if (get)
                    setText(cells[i], value === null || value === undefined ? "–" : String(value));
                else
                    drawSpark(cells[i].firstChild, recent.map(s => s.lags.get(nameOf(p))));
            });
            return row;
        });
        if (rows.length !== this.body.children.length || rows.some((row, i) => row !== this.body.children[i]))
            this.body.replaceChildren(...rows);
        this.table.hidden = !partitions.length;
        this.empty.hidden = partitions.length > 0;
        this.button.hidden = partitions.length <= MANY_ROWS;
        setText(this.button, this.isWhole ? "Show the " + MANY_ROWS + " with the most lag" : "Show all " + partitions.length + " partitions");
    }
}

function waitsFor(partition) {
    return partition ? nameOf(partition) + " offset " + partition.oldest_unfinished + " waits for " + (partition.waits_for || "…") : "nothing is unfinished";
}

class BindingView {
    constructor(name, isOpen) {
        this.title = element("h2", {}, name);
        this.state = element("span", { className: "pill" });
        this.notice = element("div", { className: "notice", role: "status", hidden: true });
        this.error = element("p", { className: "notice", hidden: true });
        this.tiles = Object.fromEntries(["Finished", "Lag", "Oldest unfinished", "Record latency, p99", "Batch", "Calls in flight", "Retried", "Dead letters"]
            .map(title => [title, new Tile(title)]));
        this.group = new ChartGroup(CHARTS);
        this.shares = new Shares();
        this.partitions = new Partitions(name);
        this.root = element("details", { className: "binding", open: isOpen },
            element("summary", {}, this.title, this.state), this.notice, this.error,
            element("dl", { className: "tiles" }, ...Object.values(this.tiles).map(tile => tile.root)),
            element("div", { className: "charts" }, ...this.group.charts.map(chart => chart.root)),
            this.shares.root, this.partitions.root);
        this.root.addEventListener("toggle", () => this.root.open && this.drawCharts());
    }
    showReason(binding) {
        this.state.className = "pill " + (binding.reason ? "bad" : "good");
        setText(this.state, binding.reason ? binding.state + ", not ready" : binding.state + ", ready");
        this.notice.hidden = !binding.reason;
        this.notice.className = "notice bad";
        const head = "Not ready" + (known(binding.since_seconds) ? " for " + duration(Math.floor(binding.since_seconds)) : "");
        if (!this.notice.firstChild)
            this.notice.append(element("b", { "aria-live": "off" }), element("span"));
        setText(this.notice.firstChild, head);
        setText(this.notice.lastChild, binding.reason || "");
        this.error.hidden = !binding.last_error;
        setText(this.error, binding.last_error ? "Last error: " + binding.last_error : "");
    }
    showTiles(binding, sample, reading) {
        const oldest = oldestPartition(binding), tiles = this.tiles;
        tiles.Finished.show(number(sample.finished) + "/s", number(sample.taken) + "/s taken");
        tiles.Lag.show(number(sample.lag), binding.partitions.length + (binding.partitions.length === 1 ? " partition" : " partitions"));
        tiles["Oldest unfinished"].show(duration(sample.oldest), waitsFor(oldest), binding.stall);
        tiles["Record latency, p99"].show(duration(sample.record99), "p50 " + duration(sample.record50));
        tiles.Batch.show(number(sample.batch), "limit " + number(binding.batch_limit));
        tiles["Calls in flight"].show(number(sample.calls) + (known(sample.callsLimit) ? " of " + number(sample.callsLimit) : ""),
            "p50 " + duration(sample.call50), binding.function_silent_seconds > 8);
        tiles.Retried.show(number(reading.sum("records_retried_total")), number(sample.retried) + "/s");
        tiles["Dead letters"].show(number(reading.sum("dead_letters_total")), number(sample.dead) + "/s", sample.dead > 0);
    }
    /* Only where `batching = adaptive`, which a reload may change. */
    showAdaptive(binding, decisions) {
        if (binding.adaptive && !this.adaptive) {
            this.adaptive = new AdaptivePanel(this.group);
            this.partitions.root.before(this.adaptive.root);
        }
        if (!this.adaptive)
            return;
        this.adaptive.root.hidden = !binding.adaptive;
        if (binding.adaptive)
            this.adaptive.show(binding, decisions);
    }
    update(binding, samples, reading, decisions, span, isFull) {
        this.binding = binding;
        this.showReason(binding);
        this.showAdaptive(binding, decisions);
        this.showTiles(binding, samples[samples.length - 1], reading);
        this.showGap(samples, span, isFull);
    }
    /* Without an answer only the time moves on. */
    showGap(samples, span, isFull) {
        this.samples = samples;
        this.span = span;
        if (isFull)
            this.group.shift(1);
        if (this.root.open)
            this.drawCharts();
    }
    drawCharts() {
        if (!this.samples)
            return;
        this.group.draw(this.samples, this.span);
        this.shares.draw(this.samples);
        this.partitions.draw(this.binding.partitions, this.samples);
    }
}

/* With several bindings: a line each, and the way to it. */
class Overview {
    constructor(root) {
        this.body = element("tbody");
        this.root = root;
        const titles = ["state", "finished/s", "lag", "p99", "oldest"];
        root.className = "wide";
        root.append(element("table", {}, element("caption", {}, "Bindings"),
            element("thead", {}, element("tr", {}, ...["binding", ...titles].map(t => element("th", { scope: "col" }, t)))), this.body));
    }
    draw(bindings, views, sampleOfName) {
        this.root.hidden = bindings.length < 2;
        if (this.root.hidden)
            return;
        const names = bindings.map(b => b.name).join("\0");
        if (names !== this.names) {
            this.names = names;
            this.body.replaceChildren(...bindings.map(b => this.row(views.get(b.name), b.name)));
        }
        bindings.forEach((binding, i) => {
            const sample = sampleOfName(binding.name), cells = this.body.children[i].children;
            const values = [binding.reason ? "not ready" : "ready", number(sample.finished), number(sample.lag),
                duration(sample.record99), duration(sample.oldest)];
            values.forEach((value, n) => setText(cells[n + 1], value));
            cells[1].style.color = binding.reason ? "var(--bad)" : "var(--good)";
        });
    }
    row(view, name) {
        view.root.id = view.root.id || "binding-" + encodeURIComponent(name);
        const link = element("a", { href: "#" + view.root.id }, name);
        link.addEventListener("click", () => { view.root.open = true; });
        return element("tr", {}, element("th", { scope: "row" }, link), ...Array.from({ length: 5 }, () => element("td")));
    }
}
