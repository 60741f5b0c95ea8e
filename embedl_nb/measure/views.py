"""What a Benchmark says of itself: headline, facts, doubts, slowest layers, and what is still unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.display.names import shortened
from embedl_nb.display.view import Fact, Table, View
from embedl_nb.measure.phone_state import state_facts
from embedl_nb.units import counted, format_bytes, format_ms, format_ratio

if TYPE_CHECKING:
    from embedl_nb.measure.benchmark import Benchmark, Latency, Layer

__all__ = ["benchmark_view", "headline"]

_TOP_LAYERS = 10
_LONGEST_NAME = 48
_NATIVE = "a native process of the phone's shell; in an app times may differ, a GPU's more than a CPU's"


def headline(result: Benchmark) -> str:
    """Return the one line that answers how fast, where, and whether it is right."""
    latency, placement = result.latency, result.placement
    parts = [
        result.model_name,
        result.precision,
        f"{result.device.name} {placement.got} (asked {placement.asked})",
        f"p50 {format_ms(latency.p50_ms)} (p95 {_bare_ms(latency.p95_ms)}, {_counts(result)})",
        f"outputs {result.outputs.state}{_where_not_checked(result)}",
    ]
    return " | ".join(parts)


def _where_not_checked(result: Benchmark) -> str:
    is_elsewhere = not result.device.is_this_machine and result.outputs.state == "not checked"
    return " on this device" if is_elsewhere else ""


def benchmark_view(result: Benchmark) -> View:
    """Describe ``result``."""
    unknown, next_step = _unknown(result)
    return View(
        headline=headline(result),
        provenance=result.provenance,
        facts=_facts(result),
        warnings=tuple(flag.sentence for flag in result.flags),
        tables=(_layers_table(result),) if result.layer_table else (),
        pictures=("waterfall_svg",) if result.layer_table else (),
        figures=_figures(result),
        unknown=unknown,
        next_step=next_step,
    )


def _figures(result: Benchmark) -> tuple[str, ...]:
    return (
        *(("waterfall", "operators", "treemap") if result.layer_table else ()),
        *(("latency", "over_time") if result.latency.samples_ms else ()),
        *(("sustained",) if result.sustained is not None else ()),
    )


def _facts(result: Benchmark) -> tuple[Fact, ...]:
    latency, device, source = result.latency, result.device, result.provenance
    low, high = latency.ci95_ms
    place = f"{device.name} ({device.address}): {device.cpu}, {counted(device.num_cores, 'core')}, {device.os}"
    facts = [
        Fact(
            "latency",
            f"p50 {format_ms(latency.p50_ms)}, 95 % interval {_bare_ms(low)} to {format_ms(high)}; "
            f"{_tail(latency)} ({source})",
        ),
        Fact("start", f"load and compile {_loading(result)}, first {format_ms(result.first_ms)} ({source})"),
        Fact("peak memory", _memory(result)),
        Fact("energy", _energy(result)),
        Fact("placement", result.placement.sentence),
        *([Fact("preflight", result.placement.foreseen)] if result.placement.foreseen else []),
        Fact("outputs", _outputs(result)),
        Fact("inputs", str(result.input_source)),
        Fact("threads", str(result.environment.num_threads or "the runtime's choice")),
        Fact("device", place),
        *([Fact("measured in", _NATIVE)] if device.is_phone else []),
    ]
    if result.sustained is not None:
        facts.insert(1, Fact("sustained", f"{result.sustained.sentence} ({source})"))
    facts += state_facts(result.thermal, result.environment, source)
    if result.run_id:
        facts.append(Fact("run", result.run_id))
    return tuple(facts)


def _loading(result: Benchmark) -> str:
    words = format_ms(result.init_ms) + (f" {result.init_kind}" if result.init_kind else "")
    return words if result.init_cached_ms is None else f"{words}, {format_ms(result.init_cached_ms)} cached"


def _tail(latency: Latency) -> str:
    if latency.p90_ms is None or latency.p99_ms is None:
        return f"p95 {format_ms(latency.p95_ms)}, each the median of the processes'"
    return f"p90 {_bare_ms(latency.p90_ms)}, p99 {format_ms(latency.p99_ms)}"


def _memory(result: Benchmark) -> str:
    memory = result.memory
    if not memory.peak_memory_bytes:
        return "not said by the device"
    words = f": {memory.definition}" if memory.definition and not result.device.is_this_machine else ""
    return f"{format_bytes(memory.peak_memory_bytes)} ({result.provenance}{words})"


def _energy(result: Benchmark) -> str:
    """Return the energy of an inference, or why it is not known."""
    energy = result.energy
    if energy is not None:
        value = f"{energy.energy_mj:.3g} mJ an inference, 95 % interval +/- {energy.uncertainty_mj:.2g} mJ"
        power = f"{energy.power_mw:.0f} mW less {energy.idle_power_mw:.0f} mW idle, n = {energy.n}"
        return f"{value}: {power}; {energy.method} ({result.provenance})"
    failed = next((flag.sentence for flag in result.flags if flag.kind == "no energy"), "")
    if failed:
        return failed.removeprefix("energy ")
    if result.device.is_this_machine:
        return "not measured: nothing meters one process on this device"
    return "not measured: energy=True does so, in 2 minutes, while the phone is not charging"


def _outputs(result: Benchmark) -> str:
    check = result.outputs
    return f"{check.state}: {check.sentence}" if check.sentence else str(check.state)


def _layers_table(result: Benchmark) -> Table:
    slowest = sorted(result.layer_table, key=lambda layer: -layer.mean_ms)[:_TOP_LAYERS]
    total = len(result.layer_table)
    shown = f"{len(slowest)} of {total}" if total > len(slowest) else f"all {total}"
    return Table(
        title=f"Slowest layers ({shown})",
        columns=("#", "source", "operator", "unit", "mean ms", "p95 ms", "share"),
        rows=tuple(_layer_row(layer) for layer in slowest),
        numeric=("#", "mean ms", "p95 ms", "share"),
        note=_layers_note(result),
    )


def _layer_row(layer: Layer) -> tuple[str, ...]:
    more = f" +{layer.num_operators - 1}" if layer.num_operators > 1 else ""
    return (
        str(layer.index),
        shortened(layer.source or layer.name, _LONGEST_NAME),
        f"{layer.operator}{more}",
        layer.compute_unit,
        f"{layer.mean_ms:.3f}",
        "" if layer.p95_ms is None else f"{layer.p95_ms:.3f}",
        format_ratio(layer.share),
    )


def _layers_note(result: Benchmark) -> str:
    if result.profiled_mean_ms is None or result.unattributed_ms is None:
        return ""
    covered = 1 - result.unattributed_ms / result.profiled_mean_ms if result.profiled_mean_ms else 0.0
    note = (
        f"The layers sum to {format_ratio(covered)} of the profiled run's mean of {format_ms(result.profiled_mean_ms)}"
    )
    rest_ms = result.unattributed_ms
    note += f"; {format_ms(rest_ms)} belong to no layer." if rest_ms > 0 else "."
    if result.unattributed_operators:
        note += f" No layer covers {counted(len(result.unattributed_operators), 'operator')}."
    return note


def _unknown(result: Benchmark) -> tuple[str, str]:
    phone = "how fast a phone runs it (this machine is not a phone)" if result.device.is_this_machine else ""
    if result.outputs.state == "not checked" and result.latency.samples_ms:
        unchecked = "whether these outputs are right (there is nothing to check them against)"
        both = f"{unchecked}, and {phone}" if phone else unchecked
        return both, "enb.benchmark(model, inputs=sample, golden=expected)"
    if phone:
        return phone, 'enb.benchmark(model, "adb://*")  # every phone that is plugged in'
    if result.outputs.state == "not checked":
        given = f'enb.benchmark(model, "{result.device.address}", inputs=sample, golden=expected)'
        return "whether it computes there what it computes here: outputs were not checked on this device", given
    if result.sustained is None:
        return "how it holds up over minutes, once the device is warm", 'enb.benchmark(model, device, sustain="10m")'
    return "", ""


def _counts(result: Benchmark) -> str:
    if not result.latency.samples_ms:
        return f"{counted(result.latency.num_processes, 'process', 'processes')}, n = {result.latency.n}"
    counts = [len(process) for process in result.latency.samples_ms]
    low, high = min(counts), max(counts)
    return f"{len(counts)} x {low}" if low == high else f"{len(counts)} x {low}-{high}"


def _bare_ms(value_ms: float) -> str:
    return format_ms(value_ms).removesuffix(" ms")
