/* Page: asks once a second, keeps the history, shows it. */
const EVERY_MS = 1000, TIMEOUT_MS = 5000, MANY_BINDINGS = 3;
const history_ = new History(), views = new Map();
const overview = new Overview(document.getElementById("overview"));
const health = document.getElementById("health");
let isPaused = false, span = 120, last = null, answeredAt = Date.now();

function showHealth(kind, text) {
    health.className = "pill " + kind;
    setText(health, text);
}

function windowOf(name) {
    return history_.of(name).slice(-span);
}

function viewOf(binding, n) {
    if (!views.has(binding.name)) {
        const view = new BindingView(binding.name, n <= MANY_BINDINGS || binding.reason !== null);
        views.set(binding.name, view);
        document.getElementById("bindings").append(view.root);
    }
    return views.get(binding.name);
}

/* One that a reload removed goes with the answer that names it no more. */
function removeViews(bindings) {
    const names = new Set(bindings.map(b => b.name));
    for (const [name, view] of views)
        if (!names.has(name)) {
            view.root.remove();
            views.delete(name);
        }
}

function show() {
    const { status, readings } = last, bindings = status.bindings;
    document.getElementById("waiting").hidden = true;
    setText(document.getElementById("about"), status.version + " on " + status.instance +
        (status.reload_refused ? "; the last reload was refused: " + status.reload_refused : ""));
    removeViews(bindings);
    for (const binding of bindings)
        viewOf(binding, bindings.length).update(binding, windowOf(binding.name),
            new Reading(readings.get(binding.name)), history_.decisionsOf(binding.name), span, history_.of(binding.name).length > span);
    overview.draw(bindings, views, name => history_.of(name)[history_.of(name).length - 1]);
    const n = bindings.filter(b => b.reason).length;
    showHealth(n ? "bad" : "good", n ? "not ready: " + n + " of " + bindings.length : "ready");
    document.title = (n ? "✖ " : "") + "kabridge " + status.instance;
}

async function ask(path) {
    const answer = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    if (!answer.ok)
        throw new Error("/" + path + " answered " + answer.status);
    return answer;
}

async function tick() {
    const at = performance.now();
    try {
        const [status, metrics] = await Promise.all([ask("status").then(a => a.json()), ask("metrics").then(a => a.text())]);
        history_.add(status, metrics, performance.now(), Date.now());
        last = { status, readings: history_.readings };
        if (!isPaused)
            show();
        answeredAt = Date.now();
    } catch (problem) {
        history_.addGap(Date.now());
        showHealth("bad", "no answer since " + clock(answeredAt));
        health.title = problem.message;
        if (!isPaused)
            for (const [name, view] of views)
                view.showGap(windowOf(name), span, history_.of(name).length > span);
    }
    setTimeout(tick, Math.max(EVERY_MS - (performance.now() - at), 100));
}

document.getElementById("window").addEventListener("change", event => {
    span = Number(event.target.value);
    for (const view of views.values())
        view.group.moveTo(null, null);
    if (last)
        show();
});
document.getElementById("pause").addEventListener("click", event => {
    isPaused = !isPaused;
    event.target.setAttribute("aria-pressed", String(isPaused));
    setText(event.target, isPaused ? "Resume" : "Pause");
    if (!isPaused && last)
        show();
});
let redraw = 0;
window.addEventListener("resize", () => {
    cancelAnimationFrame(redraw);
    redraw = requestAnimationFrame(() => {
        for (const view of views.values())
            if (view.root.open)
                view.drawCharts();
    });
});
tick();
