#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Screenshots of the page for the eye: light and dark, desktop and phone.

    tests/page/shots.py PAGE FOLDER [SECONDS]
"""
import sys
import time

import admin
import chromium

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def scenes():
    well = admin.Binding("scoring", 4200)
    stuck = admin.Binding("embeddings", 800, 2, reason=(
        "payments [0] has not moved for 61 s: offset 48211 is called and "
        "waits for the function's answer (cause: call)"))
    stuck.obstacle = "stall"
    stuck.stall = {"topic": "payments", "partition": 0, "offset": 48211,
                   "cause": "call", "waits_for": "the function's answer",
                   "seconds": 61.5}
    stuck.last_error = "a call with 64 records failed (transient): busy"
    adaptive = admin.Binding("adaptive", 4200)
    adaptive.is_adaptive = True
    return {"well": [well], "stuck": [well, stuck], "adaptive": [adaptive]}


def main(page, folder, seconds=20):
    with open(page, encoding="utf-8") as file:
        text = file.read()
    browser = chromium.Chromium()
    for name, bindings in scenes().items():
        server = admin.Admin(text, bindings)
        for device, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                browser.open(server.url, width, height, scheme)
                browser.wait_for("!!document.querySelector('.series path')",
                                 "a graph")
                time.sleep(int(seconds))
                browser.screenshot(f"{folder}/{name}-{device}-{scheme}.png")
        server.close()
    browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
