/* Adaptive: what `batching = adaptive` has decided, and why.
 *
 * The controller decides at most once a call, the page looks once a second:
 * of several decisions the last one is shown, with how many it stands for.
 */
const KEEP_DECISIONS = 50, SHOWN_DECISIONS = 8;
const PHASES = {
    calls: "doubling the calls in flight",
    records: "doubling the records in a batch",
    steady: "small steps around what was found",
};
const ADAPTIVE_CHARTS = [
    { title: "Batch limit", unit: "records, chosen by adaptive", format: number, floor: 1,
        series: [{ name: "limit", key: "batchLimit" }, { name: "mean batch", key: "batch" }] },
    { title: "Calls limit", unit: "calls in flight, chosen by adaptive", format: number, floor: 1,
        series: [{ name: "limit", key: "callsLimit" }, { name: "calls", key: "calls" }] },
    { title: "Call time and budget", unit: "of one call", format: duration, floor: .001,
        series: [{ name: "p99", key: "call99" }, { name: "budget", key: "budget", limit: true }] },
];

/* The decisions of one binding, the oldest first. */
class Decisions {
    constructor() {
        this.all = [];
        this.epoch = null;
    }
    add(binding, at) {
        const adaptive = binding.adaptive;
        if (!adaptive || adaptive.epoch === this.epoch)
            return;
        const missed = this.epoch === null || adaptive.epoch < this.epoch ? 0 : adaptive.epoch - this.epoch - 1;
        this.epoch = adaptive.epoch;
        this.all.push({ at, missed, records: binding.batch_limit, calls: binding.calls_in_flight_limit, reason: adaptive.reason });
        if (this.all.length > KEEP_DECISIONS)
            this.all.shift();
    }
    newest() {
        return this.all.slice(-SHOWN_DECISIONS).reverse();
    }
}

const DECISION_COLUMNS = [
    ["records", d => number(d.records)],
    ["calls", d => number(d.calls)],
    ["decision", d => d.reason + (d.missed ? " (the last of " + (d.missed + 1) + ")" : "")],
];

class AdaptivePanel {
    /* Its charts join those of the binding: one cursor for all. */
    constructor(group) {
        this.charts = ADAPTIVE_CHARTS.map(what => new Chart(what, group));
        group.charts.push(...this.charts);
        this.limits = element("b");
        this.words = element("p", { className: "decision" });
        this.facts = element("p", { className: "unit" });
        this.body = element("tbody");
        const titles = DECISION_COLUMNS.map(([title]) =>
            element("th", { scope: "col", className: title === "decision" ? "words" : "" }, title));
        this.root = element("section", { className: "adaptive" },
            element("h3", {}, "Adaptive batching"),
            element("div", { className: "wide" }, this.limits, this.words, this.facts),
            element("div", { className: "charts" }, ...this.charts.map(chart => chart.root)),
            element("div", { className: "wide" },
                element("table", { className: "cards" }, element("caption", {}, "Last decisions"),
                    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "time"), ...titles)), this.body)));
    }
    show(binding, decisions) {
        const adaptive = binding.adaptive, calls = binding.calls_in_flight_limit;
        setText(this.limits, "Batches of up to " + number(binding.batch_limit) + (binding.batch_limit === 1 ? " record, " : " records, ") +
            number(calls) + (calls === 1 ? " call" : " calls") + " in flight");
        setText(this.words, "Last decision: " + adaptive.reason + ".");
        setText(this.facts, "Now: " + (PHASES[adaptive.phase] || adaptive.phase) + ". A call may take " + duration(adaptive.budget_seconds) +
            "; " + number(adaptive.violations) + " took longer. " +
            (adaptive.records_per_second ? number(adaptive.records_per_second) + " records/s were measured while every call slot was in use."
                : "Throughput is measured while every call slot is in use; that has not been so yet."));
        const newest = decisions.newest();
        if (newest[0] !== this.newest)
            this.body.replaceChildren(...newest.map(decision => element("tr", {},
                element("th", { scope: "row" }, clock(decision.at)),
                ...DECISION_COLUMNS.map(([title, get]) =>
                    element("td", { "data-title": title, className: title === "decision" ? "words" : "" }, get(decision))))));
        this.newest = newest[0];
    }
}
