"""What the frames of scrolling take in a real Chromium: for the benchmarks of the widgets' speed.

Of a frame in which a box has been scrolled two times are taken: the widget's own (its scripts and the layout that they
ask for) and the whole one, of which up to 17 ms are waiting for the screen.
"""

from __future__ import annotations

import statistics
from typing import Any

__all__ = ["scroll_lines"]

NUM_FRAMES = 120
WHEEL_PX = 100

# A scroll event comes once a frame, before the frame's own callbacks; asking for a box lays out what has changed.
_SCROLL = """async ([selector, frames, step]) => {
    const box = document.querySelector(selector);
    box.scrollTop = 0;
    await new Promise(painted => requestAnimationFrame(() => setTimeout(painted)));
    let began = 0;
    const onScroll = () => { began = performance.now(); };
    box.addEventListener("scroll", onScroll, {capture: true});
    const times = [];
    for (let frame = 0; frame < frames; frame += 1) {
        const started = performance.now();
        began = 0;
        box.scrollTop += step || box.clientHeight;
        await new Promise(painted => requestAnimationFrame(() => {
            box.lastElementChild.getBoundingClientRect();
            const own = began ? performance.now() - began : 0;
            setTimeout(() => painted(times.push([own, performance.now() - started])));
        }));
    }
    box.removeEventListener("scroll", onScroll, {capture: true});
    return times;
}"""


def scroll_lines(page: Any, name: str, selector: str) -> list[str]:
    """Scroll a box by a wheel's step and by a page in each frame, and return a line for each."""
    lines = []
    for how, step in (("a wheel's step", WHEEL_PX), ("a page", 0)):
        times = page.evaluate(_SCROLL, [selector, NUM_FRAMES, step])
        own, whole = (_summary([pair[place] for pair in times]) for place in (0, 1))
        lines.append(f"{name} scrolled by {how} a frame: script and layout {own}; whole frame {whole}")
    return lines


def _summary(times_ms: list[float]) -> str:
    return f"p50 {statistics.median(times_ms):.1f} ms, p95 {statistics.quantiles(times_ms, n=20)[-1]:.1f} ms"
