/* Model: from two answers a second to the history of each binding.
 *
 * A sample is what is shown of one moment; null is "not known": a graph has
 * a gap there. Counters become rates of the time since the sample before.
 */
const KEEP = 1800;
const TRIGGERS = ["count", "bytes", "period", "idle", "drain", "retry"];

function unescapeLabel(text) {
    return text.replace(/\\(.)/g, (_, c) => c === "n" ? "\n" : c);
}

/* Families of one binding: name -> [{ labels, value }]. */
function parseMetrics(text) {
    const bindings = new Map();
    for (const line of text.split("\n")) {
        const found = /^kabridge_(\w+)\{binding="((?:[^"\\]|\\.)*)"(.*)\} (\S+)$/.exec(line);
        if (!found)
            continue;
        const binding = unescapeLabel(found[2]);
        if (!bindings.has(binding))
            bindings.set(binding, new Map());
        const families = bindings.get(binding);
        if (!families.has(found[1]))
            families.set(found[1], []);
        const labels = {};
        for (const [, name, value] of found[3].matchAll(/,(\w+)="((?:[^"\\]|\\.)*)"/g))
            labels[name] = unescapeLabel(value);
        families.get(found[1]).push({ labels, value: Number(found[4]) });
    }
    return bindings;
}

class Reading {
    constructor(families) {
        this.families = families || new Map();
    }
    sum(name, label, wanted) {
        let total = 0;
        for (const { labels, value } of this.families.get(name) || [])
            if (!label || labels[label] === wanted)
                total += value;
        return total;
    }
    has(name) {
        return this.families.has(name);
    }
    buckets(name) {
        return (this.families.get(name + "_bucket") || []).map(({ labels, value }) =>
            [labels.le === "+Inf" ? Infinity : Number(labels.le), value]);
    }
}

/* The share q of what was counted between two readings of a histogram. */
function quantile(q, now, before) {
    const counts = now.map(([bound, n], i) => [bound, n - (before[i] ? before[i][1] : 0)]);
    const total = counts.length ? counts[counts.length - 1][1] : 0;
    if (total <= 0)
        return null;
    let low = 0, below = 0;
    for (const [bound, n] of counts) {
        if (n >= q * total) {
            if (bound === Infinity)
                return low;
            return low + (bound - low) * (q * total - below) / Math.max(n - below, 1e-9);
        }
        low = bound;
        below = n;
    }
    return low;
}

function nameOf(partition) {
    return partition.topic + " [" + partition.partition + "]";
}

/* The partition whose oldest unfinished record is the oldest of all. */
function oldestPartition(binding) {
    return binding.partitions.reduce((oldest, p) =>
        (p.oldest_unfinished_seconds || 0) > (oldest ? oldest.oldest_unfinished_seconds : 0) ? p : oldest, null);
}

function sampleOf(binding, now, before, seconds, at) {
    const grown = (name, label, value) => before && now.has(name)
        ? Math.max(0, now.sum(name, label, value) - before.sum(name, label, value)) : null;
    const rate = (name, label, value) => {
        const growth = grown(name, label, value);
        return growth === null ? null : growth / seconds;
    };
    const quantileOf = (name, q) => before ? quantile(q, now.buckets(name), before.buckets(name)) : null;
    const batches = grown("batch_records_count");
    const lags = binding.partitions.map(p => p.lag).filter(lag => lag !== null);
    return {
        at,
        taken: rate("records_consumed_total"),
        finished: rate("records_finished_total"),
        retried: rate("records_retried_total"),
        dead: rate("dead_letters_total"),
        failed: before ? rate("calls_total") - rate("calls_total", "result", "ok") : null,
        record50: quantileOf("record_seconds", .5),
        record90: quantileOf("record_seconds", .9),
        record99: quantileOf("record_seconds", .99),
        call50: quantileOf("call_seconds", .5),
        call99: quantileOf("call_seconds", .99),
        batch: batches ? grown("batch_records_sum") / batches : null,
        batchLimit: binding.batch_limit,
        budget: binding.adaptive ? binding.adaptive.budget_seconds : null,
        triggers: TRIGGERS.map(trigger => grown("batches_total", "trigger", trigger) || 0),
        calls: binding.calls_in_flight,
        callsLimit: binding.calls_in_flight_limit === undefined ? null : binding.calls_in_flight_limit,
        records: binding.buffer_records,
        bytes: binding.buffer_bytes,
        oldest: now.sum("oldest_unfinished_seconds"),
        lag: lags.length ? lags.reduce((a, b) => a + b, 0) : null,
        lags: new Map(binding.partitions.map(p => [nameOf(p), p.lag])),
    };
}

class History {
    constructor() {
        this.samples = new Map();
        this.decisions = new Map();
        this.readings = null;
        this.at = null;
    }
    of(name) {
        return this.samples.get(name) || [];
    }
    decisionsOf(name) {
        if (!this.decisions.has(name))
            this.decisions.set(name, new Decisions());
        return this.decisions.get(name);
    }
    push(name, sample) {
        const samples = this.samples.get(name) || [];
        samples.push(sample);
        if (samples.length > KEEP)
            samples.shift();
        this.samples.set(name, samples);
    }
    add(status, text, monotonic, at) {
        const readings = parseMetrics(text);
        const seconds = this.at === null ? 1 : Math.max((monotonic - this.at) / 1000, .001);
        for (const binding of status.bindings) {
            const now = new Reading(readings.get(binding.name));
            const earlier = this.readings && this.readings.get(binding.name);
            this.push(binding.name, sampleOf(binding, now, earlier ? new Reading(earlier) : null, seconds, at));
            this.decisionsOf(binding.name).add(binding, at);
        }
        this.readings = readings;
        this.at = monotonic;
    }
    /* A moment without an answer: the graphs have a gap, rates begin anew. */
    addGap(at) {
        for (const name of this.samples.keys())
            this.push(name, { at, triggers: TRIGGERS.map(() => 0), lags: new Map() });
        this.readings = null;
        this.at = null;
    }
}

/* --- Words ------------------------------------------------------------- */

function known(value) {
    return value !== null && value !== undefined && isFinite(value);
}

function number(value) {
    if (!known(value))
        return "–";
    for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]])
        if (value >= size)
            return (value / (unit === "k" ? 1e3 : size)).toPrecision(3) + unit;
    return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toPrecision(2);
}

function bytes(value) {
    if (!known(value))
        return "–";
    for (const [size, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]])
        if (value >= size)
            return (value / size).toPrecision(3) + " " + unit;
    return value + " B";
}

function duration(seconds) {
    if (!known(seconds))
        return "–";
    if (seconds === 0)
        return "0 s";
    if (seconds < .001)
        return Math.round(seconds * 1e6) + " µs";
    if (seconds < 1)
        return (seconds * 1000).toPrecision(seconds < .1 ? 2 : 3) + " ms";
    if (seconds < 120)
        return (seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)) + " s";
    if (seconds < 7200)
        return Math.floor(seconds / 60) + " min " + Math.round(seconds % 60) + " s";
    return (seconds / 3600).toFixed(1) + " h";
}

function clock(at) {
    return new Date(at).toLocaleTimeString([], { hour12: false });
}
