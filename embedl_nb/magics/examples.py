"""An example line of each magic, as a notebook has it; the help and the page show it."""

from __future__ import annotations

__all__ = ["EXAMPLES"]

EXAMPLES = {
    "embedl_compile": 'model = %embedl_compile net --inputs image --device "Samsung Galaxy S24"',
    "embedl_quantize": "small = %embedl_quantize model --data images --recipe int8",
    "embedl_sensitivity": "%embedl_sensitivity model --data images --by source",
    "embedl_preflight": '%embedl_preflight small --device "Samsung Galaxy S24" --compute-unit npu',
    "embedl_benchmark": "result = %embedl_benchmark small --device adb://R58M12ABCDE --explore",
    "embedl_compare": "%embedl_compare model small --processes 10",
    "embedl_pick": '%embedl_pick results --where "p95_ms <= 10 and peak_memory_mib <= 150"',
    "embedl_runs": '%embedl_runs "kind == benchmark and p50_ms < 10" --limit 20',
    "embedl_devices": "picker = %embedl_devices --pick",
    "embedl_catalog": "%embedl_catalog galaxy s24 --min-ram-gb 8",
    "embedl_report": "%embedl_report model small result -o report.html",
    "embedl_doctor": "%embedl_doctor",
    "embedl_rerun": "%embedl_rerun 20261128-093012 --inputs image",
}
