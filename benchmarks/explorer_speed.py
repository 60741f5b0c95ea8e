"""How long the layer explorer takes to open on thousands of layers, and how smoothly it scrolls, in a real Chromium.

Limit: 1 s at 5,000 layers, from the page having what the kernel sent until waterfall and table are painted. Run as
``python benchmarks/explorer_speed.py [num_layers]``; it exits with 1 where the limit is broken. Scrolling moves the
waterfall and the table in each frame, by a wheel's step or by a page, and is printed apart. Chromium is the PATH's, or
that of EMBEDL_NB_CHROMIUM; it paints without a GPU, which takes longer, and on a busy machine much longer.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import replace

from playwright.sync_api import sync_playwright
from scroll_frames import scroll_lines

from embedl_nb.testing.results import fake_benchmark
from embedl_nb.testing.widget_page import widget_page
from embedl_nb.widgets import LayerExplorer

LIMIT_S = 1.0

# What a front end does with a widget that arrives: read its state, load its script, render; then one frame.
_OPEN = """async () => {
    const started = performance.now();
    const read = id => JSON.parse(document.getElementById(id).textContent);
    model.state = read("state");
    const source = new Blob([read("script")], {type: "text/javascript"});
    const module = await import(URL.createObjectURL(source));
    const el = document.querySelector("main").appendChild(document.createElement("div"));
    module.default.render({model, el});
    await new Promise(painted => requestAnimationFrame(() => setTimeout(painted)));
    return performance.now() - started;
}"""


def main(num_layers: int = 5000) -> int:
    """Print the times and return the exit code."""
    first, second = fake_benchmark(num_layers, seed=1), fake_benchmark(num_layers, p50_ms=5.0, seed=2)
    second = replace(second, model_sha256="1" * 64, layer_table=second.layer_table[::2])
    path = os.environ.get("EMBEDL_NB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    print(f"{num_layers} layers{load}; limit {LIMIT_S} s for the first paint")
    slowest_s = 0.0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name, results in (("one result", (first,)), ("two results", (first, second))):
            began = time.perf_counter()
            widget = LayerExplorer(*results)
            made_s = time.perf_counter() - began
            page = browser.new_page(viewport={"width": 1100, "height": 800})
            page.set_content(widget_page(widget, num_views=0))
            page.locator("body[data-is-ready]").wait_for(state="attached")
            num_bytes = len(json.dumps(widget._layers))
            opened_s = page.evaluate(_OPEN) / 1000
            slowest_s = max(slowest_s, opened_s)
            print(f"  {name}: first paint {opened_s:.2f} s; made in Python in {made_s:.2f} s, {num_bytes / 1e6:.1f} MB")
            for part, selector in (("waterfall", ".embedl-waterfall"), ("table", ".embedl-grid")):
                for line in scroll_lines(page, part, selector):
                    print(f"    {line}")
            page.close()
        browser.close()
    return int(slowest_s > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
