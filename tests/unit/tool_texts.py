"""Output of both programs that are called benchmark_model, written from the rules of their formats.

Nothing here is copied from a recorded run; the numbers are made up, so that each of them tells where it was read.
"""

from __future__ import annotations

from collections.abc import Callable

from embedl_nb.errors import UnparsableOutputError

RUNNING = "Running benchmark for at least {} iterations and at least {} seconds but terminate if exceeding 150 seconds."
WARMUP = "count=3 first=9200 curr=8100 min=8100 max=9200 avg=8533.33 std=477 p5=8100 median=8300 p95=9200"
TIMED = "count=40 first=8010 curr=8050 min=7900 max=8400 avg=8123.46 std=91 p5=7950 median=8111 p95=8350"

LITERT_HEAD = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [40]
INFO: Graph: [/data/local/tmp/nb/m.tflite]
INFO: [benchmark_litert_model.cc:271] Loading model from: /data/local/tmp/nb/m.tflite
INFO: [environment.cc:36] Creating LiteRT environment with options
INFO: [cpu_registry.cc:75] XNNPACK CPU accelerator registered.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
"""
LITERT_PLACED = """\
VERBOSE: Replacing 48 out of 90 node(s) with delegate (LITERT_CL) node, yielding 2 partitions for subgraph 0 (main).
VERBOSE: Replacing 32 out of 43 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 4 partitions for \
subgraph 0 (main).
I0000 00:00:1776763095.992608   21214 delegate_kernel.cc:794] Initializing OpenCL-based API from graph.
"""
LITERT_RUNS = f"""\
INFO: The input model file size (MB): 14.3
INFO: Initialized session in 31.274ms.
INFO: {RUNNING.format(1, 0.5)}
INFO: {WARMUP}

INFO: {RUNNING.format(40, 0)}
INFO: {TIMED}

"""
LITERT_RESULTS = """\
INFO: [benchmark_litert_model.h:89]\x20
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:92] Signature name:       serving_default
INFO: [benchmark_litert_model.h:94] Model initialization: 31.27 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       9.20 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         8.53 ms (3 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      8.12 ms (40 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      7.90 ms
INFO: [benchmark_litert_model.h:106] Inference (max):      8.40 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      0.09
INFO: [benchmark_litert_model.h:115] Throughput:           74.10 MB/s
INFO: [benchmark_litert_model.h:124]\x20
Memory Usage:
INFO: [benchmark_litert_model.h:126] Init footprint:       12.50 MB
INFO: [benchmark_litert_model.h:128] Overall footprint:    24.25 MB
INFO: [benchmark_litert_model.h:132] Peak memory:          26.00 MB
INFO: [benchmark_litert_model.h:138] ======================================

"""
LITERT = LITERT_HEAD + LITERT_PLACED + LITERT_RUNS + LITERT_RESULTS

LEGACY = f"""\
STARTING!
Log parameter values verbosely: [0]
Graph: [/data/local/tmp/nb/m.tflite]
Use NNAPI: [1]
NNAPI accelerator name: [vendor-dsp]
Loaded model /data/local/tmp/nb/m.tflite
INFO: Initialized TensorFlow Lite runtime.
The input model file size (MB): 14.3
Initialized session in 31.274ms.
{RUNNING.format(1, 0.5)}
count=1 curr=1590060

{RUNNING.format(50, 1)}
count=50 first=8010 curr=8050 min=7900 max=8400 avg=8123.46 std=91

Inference timings in us: Init: 31274, First inference: 1590060, Warmup (avg): 1.59006e+06, Inference (avg): 8123.46
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory \
footprint of the model at runtime. Take the information at your discretion.
Memory footprint delta from the start of the tool (MB): init=12.5 overall=24.25
Overall peak memory footprint (MB) via periodic monitoring: 26
"""

FAILED = (
    LITERT_HEAD
    + """\
ERROR: Node number 3 (BATCH_MATMUL) failed to prepare.
ERROR: [litert_compiled_model.cc:164] Failed to allocate tensors
ERROR: Benchmarking failed.
"""
)


def refusal(parse: Callable[[str], object], text: str) -> UnparsableOutputError | None:
    """Return the error with which a parser refuses a text; None where it reads it."""
    try:
        parse(text)
    except UnparsableOutputError as error:
        return error
    return None


def wide_title(title: str) -> str:
    """Return a title as LiteRT 2.2 centres it."""
    return f" {title} ".center(150, "=")


def litert_2_2_table(rows: list[tuple[str, float, int, str]], *, statistics: str = "") -> str:
    """Return the table of LiteRT 2.2 for rows of (type, average in ms, calls, name)."""
    header = "".join(
        [
            f"{'[node type]':>60}",
            *(f" {name:>10}" for name in ("[start]", "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]")),
            " [times called]   [Name]",
        ]
    )
    body = [
        f"{kind:>60} {0:>10.3f} {avg * 2:>10.3f} {avg:>10.3f} {1:>9.3f}% {2:>9.3f}% {0:>10.3f} {calls:>14}   {name}"
        for kind, avg, calls, name in rows
    ]
    return "\n".join(
        [
            wide_title("Run Order"),
            header,
            *body,
            "",
            wide_title("Top by Computation Time"),
            header,
            *reversed(body),
            "",
            f"Number of nodes executed: {len(rows)}",
            "",
            wide_title("Summary by node type"),
            f"{'[Node type]':>60} {'[count]':>10} {'[avg ms]':>10}",
            "",
            *([wide_title("Delegate Statistics"), statistics] if statistics else []),
            f"Timings (microseconds): count={len(rows)} curr=12345",
            "Memory (bytes): count=0",
            f"{len(rows)} nodes observed",
            "",
            "",
        ]
    )


def legacy_table(
    rows: list[tuple[str, float, int, str]], *, has_start: bool, total_us: int = 12345, memory_kb: float = 0
) -> str:
    """Return one table of the older tool, with tabs."""
    columns = ["[node type]", *(["[start]"] if has_start else []), "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]"]
    header = "\t".join(["", *(f"{name:>10}" for name in columns), "[times called]", "[Name]"])
    body = [
        "\t".join(
            [
                "",
                f"{kind:>24}",
                *([f"{0.5:>9.3f}"] if has_start else []),
                f"{avg * 2:>9.3f}",
                f"{avg:>9.3f}",
                f"{1:>7.3f}%",
                f"{2:>7.3f}%",
                f"{memory_kb:>10.3f}",
                f"{calls:>9}",
                name,
            ]
        )
        for kind, avg, calls, name in rows
    ]
    sign = "=" * 30
    return "\n".join(
        [
            f"{sign} Run Order {sign}",
            header,
            *body,
            "",
            f"{sign} Top by Computation Time {sign}",
            header,
            *body[:10],
            "",
            f"Number of nodes executed: {len(rows)}",
            f"{sign} Summary by node type {sign}",
            "\t[Node type]\t[count]",
            "",
            f"Timings (microseconds): count=50 first={total_us} curr={total_us}",
            "Memory (bytes): count=0",
            f"{len(rows)} nodes observed",
            "",
            "",
        ]
    )


def litert_2_1_table(rows: list[tuple[str, float, int, str]], statistics: list[tuple[str, int, int]]) -> str:
    """Return the table of LiteRT 2.1.2 to 2.1.6, with its statistics of (name, calls, total in us) after the end."""
    sign = "=" * 30
    header = f"{'[node type]':>30}" + "".join(
        f" {name:>10}" for name in ("[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]", "[times called]", "[Name]")
    )
    body = [
        f"{kind:>30} {98765.432:>10.3f} {avg:>10.3f} {1:>9.3f}% {2:>9.3f}% {0:>10.3f} {calls:>10} {name}"
        for kind, avg, calls, name in rows
    ]
    return "\n".join(
        [
            f"{sign} Run Order {sign}",
            header,
            *body,
            "",
            f"{sign} Top by Computation Time {sign}",
            header,
            *body,
            "",
            f"Number of nodes executed: {len(rows)}",
            f"{sign} Summary by node type {sign}",
            "",
            f"Timings (microseconds): count={len(rows)} curr=12345",
            "Memory (bytes): count=0",
            f"{len(rows)} nodes observed",
            "",
            "Delegate Statistics:",
            f"{'Op Name':<70} {'Count':>10} {'Avg(us)':>10} {'Min(us)':>10} {'Max(us)':>10} {'Total(us)':>10}",
            *(
                f"{name:<70} {calls:>10} {total / calls:>10.2f} {1:>10} {99:>10} {total:>10}"
                for name, calls, total in statistics
            ),
            "",
        ]
    )
