#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of the admin server in a real headless Chromium.

    tests/page/run.py [BUILD]          BUILD: build by default

It is served with numbers made by hand, and once by a bridge itself. Each
test is a sentence of what is claimed; one line a test, exit 1 if one fails.
"""
import os
import subprocess
import sys
import tempfile
import traceback

import admin
import chromium

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
DESKTOP, PHONE = (1280, 900), (390, 844)
REASON = ("payments [0] has not moved for 61 s: offset 48211 is called and "
          "waits for the function's answer (cause: call)")
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def check(is_true, what):
    if not is_true:
        raise AssertionError(what)


class Kit:
    def __init__(self, build):
        self.build = build
        with open(os.path.join(build, "plugin/ops/page.html"),
                  encoding="utf-8") as file:
            self.page = file.read()
        self.browser = chromium.Chromium()
        self.well = admin.Binding("scoring", 4200)
        self.stuck = admin.Binding("embed", 800, 2, reason=REASON)
        self.stuck.stall = {"topic": "payments", "partition": 0,
                            "offset": 48211, "cause": "call",
                            "waits_for": "the function's answer",
                            "seconds": 61.5}
        self.server = admin.Admin(self.page, [self.well, self.stuck])

    def open(self, size=DESKTOP, n_points=2, **features):
        self.browser.point_at(0, 0)
        self.browser.open(self.server.url, *size, **features)
        self.browser.wait_for(
            "[...document.querySelectorAll('.series path.s1:not(.area)')].some(p =>"
            f" p.getAttribute('d').split('L').length >= {n_points})",
            "a graph with values")

    def value(self, script):
        return self.browser.evaluate(script)

    def close(self):
        self.browser.close()
        self.server.close()


@test
def it_stands_alone(kit):
    kit.open()
    kit.browser.wait_for("document.title.includes('host-1')", "a title")
    strange = [u for u in kit.browser.urls()
               if not u.startswith((kit.server.url, "data:", "about:"))]
    check(not strange, f"requests to others: {strange}")
    complaints = kit.browser.complaints()
    check(not complaints, f"the console says: {complaints}")


@test
def every_graph_has_a_scale_a_time_axis_and_values(kit):
    kit.open()
    faults = kit.value("""[...document.querySelectorAll('.chart')].filter(c => {
        const texts = [...c.querySelectorAll('.grid text')].map(t => t.textContent);
        return !(texts.includes('now') && texts.filter(t => t.startsWith('−')).length === 2 &&
            texts.length >= 5 && c.querySelector('.unit').textContent &&
            c.querySelector('.legend b').textContent);
    }).map(c => c.querySelector('.title').textContent)""")
    check(faults == [], f"without: {faults}")
    titles = kit.value("[...document.querySelector('.binding')"
                       ".querySelectorAll('.chart .title')]"
                       ".map(t => t.textContent)")
    for wanted in ("Throughput", "Lag", "Record latency", "Batch size",
                   "Calls in flight", "Oldest unfinished record",
                   "Retries and failures"):
        check(wanted in titles, f"no graph {wanted} in {titles}")


@test
def the_plots_of_a_row_share_a_base_line(kit):
    """However many lines their legends have."""
    kit.open()
    crooked = kit.value("""(() => {
        const bottoms = new Map();
        for (const c of document.querySelectorAll('.chart')) {
            const row = c.getBoundingClientRect().top;
            const at = c.querySelector('.plot').getBoundingClientRect().bottom;
            bottoms.set(row, [...(bottoms.get(row) || []), Math.round(at)]);
        }
        return [...bottoms.values()].filter(b => new Set(b).size > 1);
    })()""")
    check(crooked == [], f"rows with several: {crooked}")


@test
def the_numbers_are_those_of_the_answers(kit):
    kit.open(n_points=4)
    kit.browser.wait_for("document.querySelector('.tile dd').textContent"
                         ".includes('/s')", "a rate")
    rate = kit.value("parseFloat(document.querySelector('.tile dd span')"
                     ".textContent)")
    check(2500 < rate < 6000, f"finished a second: {rate}; wanted about 4200")
    p99 = kit.value("[...document.querySelectorAll('.tile')].find(t =>"
                    " t.textContent.includes('p99')).querySelector('dd span')"
                    ".textContent")
    check(p99.endswith(" ms") and 100 < float(p99[:-3]) < 300,
          f"p99 of the records: {p99}; wanted about 200 ms")
    shares = kit.value("document.querySelector('.shares')"
                       ".getAttribute('aria-label')")
    check(shares.startswith("count 6") or shares.startswith("count 5"),
          f"shares of the triggers: {shares}")


@test
def a_binding_that_stands_says_why_and_what_it_waits_for(kit):
    kit.open()
    notice = kit.value("[...document.querySelectorAll('.notice.bad')]"
                       ".filter(n => !n.hidden).map(n => n.textContent)")
    check(len(notice) == 1 and REASON in notice[0] and
          notice[0].startswith("Not ready for 75 s"), f"notices: {notice}")
    tiles = kit.value("[...document.querySelectorAll('.tile.bad')]"
                      ".map(t => t.textContent)")
    check(any("waits for the function's answer" in t for t in tiles),
          f"tiles in red: {tiles}")
    pill = kit.value("document.getElementById('health').textContent")
    check(pill == "not ready: 1 of 2", f"the head says {pill}")


@test
def an_adaptive_binding_shows_its_limits_and_the_reason(kit):
    kit.well.is_adaptive = True
    try:
        kit.open(n_points=3)
        panels = kit.value("[...document.querySelectorAll('.binding')].map(b =>"
                           " b.querySelectorAll('.adaptive').length)")
        check(panels == [1, 0], f"panels of the two bindings: {panels}")
        text = kit.value("document.querySelector('.adaptive').textContent")
        for wanted in ("Batches of up to 1", "4 calls in flight",
                       "Last decision: ", "small steps around what was found",
                       "A call may take 100 ms"):
            check(wanted in text, f"no {wanted!r} in {text}")
        kit.browser.wait_for("document.querySelectorAll("
                             "'.adaptive tbody tr').length >= 3",
                             "three decisions")
        rows = kit.value("[...document.querySelectorAll('.adaptive tbody tr')]"
                         ".map(r => [...r.children].map(c => c.textContent))")
        check(all(row[3] for row in rows), f"a decision without reason: {rows}")
        check(len({row[1] for row in rows}) > 1, f"limits stand: {rows}")
        line = kit.value("[...document.querySelectorAll('.adaptive .chart')]"
                         ".find(c => c.querySelector('.title').textContent =="
                         " 'Batch limit').querySelector('.series path.s1:not("
                         ".area)').getAttribute('d')")
        heights = {p.split(" ")[1] for p in line[1:].split("L")}
        check(len(heights) > 1, f"the graph of the limit is flat: {line}")
    finally:
        kit.well.is_adaptive = False


@test
def the_pointer_reads_the_values_of_a_moment(kit):
    kit.open(n_points=3)
    box = kit.value("(() => { const b = document.querySelector('.plot')"
                    ".getBoundingClientRect(); return [b.right, b.top]; })()")
    kit.browser.point_at(box[0] - 10, box[1] + 50)
    kit.browser.wait_for("!document.querySelector('.tip').hidden", "a tip")
    tip = kit.value("document.querySelector('.tip').textContent")
    check("taken" in tip and "finished" in tip and tip.count(":") >= 2,
          f"the tip says: {tip}")
    cursors = kit.value("document.querySelector('.binding')"
                        ".querySelectorAll('.cursor line').length")
    n_charts = kit.value("document.querySelector('.binding')"
                         ".querySelectorAll('.chart').length")
    check(cursors == n_charts, f"{cursors} of {n_charts} graphs show it")


@test
def the_keyboard_reaches_and_reads_a_graph(kit):
    kit.open(n_points=3)
    kit.value("document.querySelector('.plot').focus()")
    kit.browser.press("Home")
    first = kit.value("document.activeElement.getAttribute('aria-valuenow')")
    text = kit.value("document.activeElement.getAttribute('aria-valuetext')")
    check(first == "0" and "taken" in text, f"Home: {first}, {text}")
    kit.browser.press("ArrowRight")
    check(kit.value("document.activeElement.getAttribute('aria-valuenow')") ==
          "1", "an arrow goes to the next moment")
    kit.browser.press("Escape")
    check(kit.value("document.querySelector('.cursor').children.length") == 0,
          "Escape lets go")


@test
def tab_reaches_every_control_in_order_with_a_visible_focus(kit):
    kit.open()
    kit.value("document.activeElement.blur()")
    seen = []
    for _ in range(6):
        kit.browser.press("Tab")
        seen.append(kit.value("""(() => { const e = document.activeElement,
            style = getComputedStyle(e);
            return [e.tagName, e.id, style.outlineStyle !== 'none']; })()"""))
    check([s[0] for s in seen[:3]] == ["A", "SELECT", "BUTTON"],
          f"the order is {seen}")
    check(all(s[2] for s in seen), f"without a visible focus: {seen}")


@test
def names_roles_and_labels_are_there_for_a_screen_reader(kit):
    kit.open()
    nodes = kit.browser.command("Accessibility.getFullAXTree")["nodes"]
    faults, roles = [], {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        name = node.get("name", {}).get("value", "")
        roles.setdefault(role, []).append(name)
        if role in ("button", "link", "slider", "combobox", "img", "region",
                    "columnheader", "rowheader") and not name.strip():
            faults.append((role, node.get("description")))
    check(not faults, f"without a name: {faults}")
    for role in ("banner", "main", "contentinfo", "navigation", "status",
                 "table", "slider", "heading"):
        check(role in roles, f"no {role} among {sorted(map(str, roles))}")
    check(kit.value("document.documentElement.lang") == "en", "a language")
    ids = kit.value("[...document.querySelectorAll('[id]')].map(e => e.id)")
    check(len(ids) == len(set(ids)), f"ids stand twice: {ids}")
    levels = kit.value("[...document.querySelectorAll('h1,h2,h3')]"
                       ".map(h => Number(h.tagName[1]))")
    check(levels[0] == 1 and all(b - a <= 1 for a, b in
                                 zip(levels, levels[1:])),
          f"headings skip a level: {levels}")


CONTRAST = """(() => {
    const parts = c => c.match(/[\\d.]+/g).map(Number);
    const light = c => { const [r, g, b] = parts(c).slice(0, 3).map(v => { v /= 255;
        return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
        return .2126 * r + .7152 * g + .0722 * b; };
    const paper = e => { for (; e; e = e.parentElement) {
        const c = getComputedStyle(e).backgroundColor, p = parts(c);
        if (p.length < 4 || p[3] === 1) return c; } return 'rgb(255, 255, 255)'; };
    const low = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let n; (n = walker.nextNode());) {
        const e = n.parentElement;
        if (!n.textContent.trim() || !e.getClientRects().length || e.closest('script,style')) continue;
        const style = getComputedStyle(e), ink = e.closest('svg') ? style.fill : style.color;
        const a = light(ink), b = light(paper(e));
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        if (ratio < 4.5) low.push([n.textContent.trim().slice(0, 30), ratio.toFixed(2)]);
    }
    return low;
})()"""


@test
def text_has_a_contrast_of_4_5_in_light_and_in_dark(kit):
    for scheme in ("light", "dark"):
        kit.open(scheme=scheme)
        low = kit.value(CONTRAST)
        check(not low, f"{scheme}: {low}")
    papers = []
    for scheme in ("light", "dark"):
        kit.open(scheme=scheme)
        papers.append(kit.value(
            "getComputedStyle(document.body).backgroundColor"))
    check(papers[0] != papers[1], f"light and dark are both {papers[0]}")


@test
def a_phone_needs_no_sideways_scrolling(kit):
    kit.open(PHONE)
    width = kit.value("document.documentElement.scrollWidth")
    check(width <= PHONE[0], f"{width} px wide on a screen of {PHONE[0]} px")
    cut = kit.value("""[...document.querySelectorAll('.wide, .scroll')]
        .filter(e => e.scrollWidth > e.clientWidth)
        .map(e => e.textContent.slice(0, 40))""")
    check(not cut, f"cut off at the right: {cut}")
    small = kit.value("""[...document.querySelectorAll('button,select')]
        .filter(e => e.getClientRects().length)
        .filter(e => e.getBoundingClientRect().height < 44).map(e => e.id)""")
    check(not small, f"too small for a finger: {small}")


@test
def without_motion_nothing_moves(kit):
    kit.open(reduced=True)
    moving = kit.value("""[...document.querySelectorAll('*')].filter(e => {
        const s = getComputedStyle(e);
        return s.transitionDuration !== '0s' || s.animationName !== 'none';
    }).length""")
    check(moving == 0, f"{moving} elements have a transition")


@test
def a_pause_stands_and_a_resume_catches_up(kit):
    kit.open(n_points=3)
    kit.value("document.getElementById('pause').click()")
    path = "document.querySelector('.series path.s1:not(.area)').getAttribute('d')"
    before = kit.value(path)
    n_before = kit.server.n_requests
    kit.browser.wait_for("true", "")
    while kit.server.n_requests < n_before + 4:
        kit.value("new Promise(done => setTimeout(done, 100))")
    check(kit.value(path) == before, "a paused graph has moved")
    kit.value("document.getElementById('pause').click()")
    check(kit.value(path) != before, "a resumed graph has not moved")


@test
def a_bridge_that_does_not_answer_is_told_and_leaves_a_gap(kit):
    kit.open(n_points=3)
    kit.server.is_silent = True
    try:
        kit.browser.wait_for("document.getElementById('health').textContent"
                             ".startsWith('no answer since')", "the word")
    finally:
        kit.server.is_silent = False
    kit.browser.wait_for(
        "document.querySelector('.series path.s1:not(.area)').getAttribute('d')"
        ".split('M').length > 2", "a gap in a line that goes on")
    complaints = [c for c in kit.browser.complaints()
                  if "503" not in str(c)]
    check(not complaints, f"the console says: {complaints}")


@test
def of_a_thousand_partitions_those_with_the_most_lag_are_shown(kit):
    kit.well.n = 1000
    try:
        kit.open()
        rows = "document.querySelector('.binding table.cards tbody')"
        check(kit.value(rows + ".children.length") == 16, "not 16 rows")
        lags = kit.value(f"[...{rows}.children].map(r =>"
                         " Number(r.children[2].textContent))")
        check(lags == sorted(lags, reverse=True), f"not by lag: {lags}")
        button = "document.querySelector('.binding .more-rows')"
        check(kit.value(button + ".textContent") ==
              "Show all 1000 partitions", "the button says how many")
        kit.value(button + ".click()")
        check(kit.value(rows + ".children.length") == 1000, "not all rows")
    finally:
        kit.well.n = 3


@test
def names_of_others_are_text_and_nothing_else(kit):
    evil = admin.Binding("<img src=x onerror=alert(1)>\"\\", 100,
                         reason="<script>document.title='taken'</script>")
    kit.server.bindings.append(evil)
    try:
        kit.open()
        check(kit.value("document.querySelectorAll('main img, main script')"
                        ".length") == 0, "a name became an element")
        check("<img src=x" in kit.value(
            "[...document.querySelectorAll('h2')].pop().textContent"),
            "the name is not shown")
    finally:
        kit.server.bindings.remove(evil)


@test
def a_real_bridge_serves_it_and_its_reason_is_shown(kit):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bridge.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[kafka]\nbootstrap.servers = 127.0.0.1:9\n"
                       "[admin]\nlisten = 127.0.0.1:0\n"
                       "[binding alone]\ninput.topics = in\n"
                       "output.topic = out\nfunction = identity\n"
                       "shutdown.timeout = 1s\n")
        bridge = subprocess.Popen(
            [os.path.join(kit.build, "kabridge"), "run", path],
            stderr=subprocess.PIPE, text=True)
        try:
            word = "metrics, health and status at "
            line = next(l for l in bridge.stderr if word in l)
            kit.browser.open(line.split(word)[1].strip() + "/", *DESKTOP)
            kit.browser.wait_for(
                "[...document.querySelectorAll('.notice.bad')].some(n =>"
                " !n.hidden && n.textContent.includes('no broker has "
                "answered'))", "the reason")
            complaints = kit.browser.complaints()
            check(not complaints, f"the console says: {complaints}")
        finally:
            bridge.terminate()
            bridge.stderr.close()
            bridge.wait()


def main(build):
    kit = Kit(build)
    n_failed = 0
    for function in TESTS:
        try:
            function(kit)
            print("ok", function.__name__, flush=True)
        except Exception:
            n_failed += 1
            print("not ok", function.__name__, flush=True)
            traceback.print_exc(limit=-2)
    kit.close()
    print(f"{len(TESTS) - n_failed} passed, {n_failed} failed")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1] if len(sys.argv) > 1
                                  else os.path.join(TOP, "build"))))
