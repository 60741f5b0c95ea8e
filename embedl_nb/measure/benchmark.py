"""The result of a measurement: frozen, with its unit in every name, its provenance, and the flags that doubt it.

Built by :mod:`embedl_nb.measure.session`; stored by its record; shown by its view (:mod:`embedl_nb.measure.views`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from embedl_nb.device.info import DeviceInfo
from embedl_nb.display.figures import draw
from embedl_nb.display.mixin import Displayable
from embedl_nb.display.view import View
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.measure.energy import Energy
from embedl_nb.measure.plan import MeasureOptions
from embedl_nb.measure.sustained import Sustained
from embedl_nb.units import Provenance

if TYPE_CHECKING:
    import pandas as pd

    from embedl_nb.model.evidence import Parity

__all__ = [
    "SCHEMA_VERSION",
    "Benchmark",
    "Environment",
    "Flag",
    "FlagKind",
    "InputSource",
    "Latency",
    "Layer",
    "Memory",
    "OutputCheck",
    "OutputState",
    "PlacementSummary",
    "Thermal",
]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time of one inference, profiling off.

    Attributes
    ----------
    ci95_ms
        95 % interval of ``p50_ms`` from a bootstrap that resamples processes first, then iterations; with one process
        it knows nothing of what a restart changes.
    n
        Timed iterations of all processes.
    samples_ms
        Every timed iteration, in order, one tuple a process. Empty where the device's tool summarizes each process:
        ``p50_ms`` and ``p95_ms`` are then the medians of the processes' own, and the other percentiles None.
    process_p50s_ms
        Median of each process, where the device's tool summarizes them; empty where the samples are there.
    """

    p50_ms: float
    p90_ms: float | None
    p95_ms: float
    p99_ms: float | None
    mean_ms: float
    std_ms: float
    ci95_ms: tuple[float, float]
    n: int
    num_processes: int
    samples_ms: tuple[tuple[float, ...], ...]
    process_p50s_ms: tuple[float, ...] = ()

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Latency:
        """Rebuild from plain JSON data."""
        low, high = record["ci95_ms"]
        samples = tuple(tuple(process) for process in record["samples_ms"])
        medians = tuple(record.get("process_p50s_ms", ()))  # older records kept none
        return cls(**{**record, "ci95_ms": (low, high), "samples_ms": samples, "process_p50s_ms": medians})


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Peak resident memory of the measured process; the largest of the processes.

    Attributes
    ----------
    definition
        What was counted: ``"VmHWM"``, ``"ru_maxrss"``, or a tool's own words.
    by_stage
        Peak of each stage: ``start`` (an empty worker), ``load``, ``compile``, ``first``, ``run``. Where the system
        cannot reset its counter (all but Linux), the peak up to the end of the stage.
    """

    peak_memory_bytes: int
    by_stage: dict[str, int]
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thermal:
    """Heat and clocks around the measurement; None where the machine does not say.

    Attributes
    ----------
    start_celsius, end_celsius, peak_celsius
        Of the CPU's hottest sensor. A peak is the highest of all readings, also those while it ran.
    start_status, end_status, peak_status
        Android's, from 0 (none) over 2 (moderate: it slows the phone down) to 6 (shuts down).
    busy_clock_hz
        Mean clock of the cores, read while it ran; of a phone only, and with ``profile=True``.
    """

    start_celsius: float | None = None
    end_celsius: float | None = None
    start_clock_hz: float | None = None
    end_clock_hz: float | None = None
    num_throttle_events: int | None = None
    peak_celsius: float | None = None
    start_skin_celsius: float | None = None
    end_skin_celsius: float | None = None
    peak_skin_celsius: float | None = None
    start_battery_celsius: float | None = None
    end_battery_celsius: float | None = None
    start_status: int | None = None
    end_status: int | None = None
    peak_status: int | None = None
    busy_clock_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementSummary:
    """The compute unit that was asked for, the one that was seen to run, and why they differ.

    Attributes
    ----------
    is_as_asked
        Whether all of the model ran where it was asked to.
    foreseen
        What a preflight for that chip had said, against what happened; empty where none was made.
    """

    asked: str
    got: str
    sentence: str
    is_as_asked: bool = True
    foreseen: str = ""


class OutputState(StrEnum):
    """Whether the outputs were what they should be."""

    MATCH = "match"
    DIFFER = "differ"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputCheck:
    """The outputs of the measured processes against golden ones.

    Attributes
    ----------
    parity
        The figures per output; None where nothing was compared.
    sentence
        What was compared with what, or why it was not.
    by
        Where another program gives the outputs than the one that is timed: which, or why it gave none.
    """

    state: OutputState
    parity: Parity | None = None
    sentence: str = ""
    by: str = ""


class InputSource(StrEnum):
    """Where the measured inputs come from."""

    GIVEN = "given"
    EXAMPLE = "example"
    """The model's own example sample."""
    RANDOM = "random"


class FlagKind(StrEnum):
    """What casts doubt on a measurement."""

    SINGLE_PROCESS = "single process"
    DRIFT = "drift"
    TWO_MODES = "two modes"
    BUSY_MACHINE = "busy machine"
    THROTTLED = "throttled"
    GOVERNOR = "governor"
    NOT_SETTLED = "not settled"
    FALLBACK = "fallback"
    OUTPUTS_DIFFER = "outputs differ"
    LAYERS_INCOMPLETE = "layers incomplete"
    NO_ENERGY = "no energy"
    SUSTAIN_CUT = "sustain cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One doubt, as a sentence with its figures."""

    kind: FlagKind
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the numbers depend on besides the model and the device.

    Attributes
    ----------
    hostname, cpu, num_cores, os
        The machine that drove the measurement; ``num_cores`` are all of its logical cores.
    num_usable_cores
        Cores this process may run on.
    cpu_limit
        Cores' worth of CPU time that a container grants; None where there is no limit.
    memory_limit_bytes
        The container's limit; None where there is none.
    num_threads
        Threads the runtime used; None where it decided by itself.
    governor
        The kernel's frequency policy; None where it cannot be read.
    load_average_1m
        Runnable processes in the minute before.
    versions
        Of python, numpy, ai-edge-litert, embedl_nb and the runtime library itself.
    started_at
        ISO 8601, UTC.
    battery_share, is_charging, is_screen_on, is_battery_saver_on
        Of a phone as it began; the share is of a full charge, 0 to 1.
    """

    hostname: str
    cpu: str
    num_cores: int
    num_usable_cores: int
    os: str
    cpu_limit: float | None = None
    memory_limit_bytes: int | None = None
    num_threads: int | None = None
    governor: str | None = None
    load_average_1m: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    started_at: str = ""
    battery_share: float | None = None
    is_charging: bool | None = None
    is_screen_on: bool | None = None
    is_battery_saver_on: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One row of the profile: an operator, or the group of operators that the runtime ran as one.

    Attributes
    ----------
    operator
        The operator that gives the row its cost, ``CONV_2D``.
    source
        The source model's module, ``f.4.c.3``; empty where it is not known.
    start_ms
        Offset from the start of the inference (median).
    p50_ms, p95_ms
        None where the device's tool gives means only.
    share
        Of the profiled run's mean, 0 to 1.
    operator_indices
        The model's operators that it covers; empty where the row could not be mapped.
    kernel
        What the runtime calls it.
    """

    index: int
    name: str
    operator: str
    source: str
    compute_unit: str
    start_ms: float
    mean_ms: float
    p50_ms: float | None
    p95_ms: float | None
    share: float
    num_operators: int
    operator_indices: tuple[int, ...]
    kernel: str

    @property
    def typical_ms(self) -> float:
        """Its median, or its mean where only that is known."""
        return self.mean_ms if self.p50_ms is None else self.p50_ms

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Layer:
        """Rebuild from plain JSON data."""
        return cls(**{**record, "operator_indices": tuple(record["operator_indices"])})


LAYER_COLUMNS = tuple(f.name for f in fields(Layer) if f.name != "operator_indices")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Benchmark(Displayable):
    """What one model takes on one device.

    Attributes
    ----------
    signature_key
        Which signature was measured; empty where the model has one without a name, and in records from before it was
        told apart.
    init_ms
        Loading and compiling in the runtime, median of the processes: of the cold ones, where some found what an
        earlier one had cached.
    init_kind
        Whether ``init_ms`` is of ``"cold"`` or of ``"cached"`` loads; empty where the device does not say.
    init_cached_ms
        The median of the cached ones, where there are both; None otherwise.
    first_ms
        The first inference, median of the processes.
    layer_table
        The profile's rows in the order they ran; empty with ``profile=False``.
    profiled_mean_ms
        Mean of the profiled inferences, which the layers' shares refer to; None without a profile.
    unattributed_ms
        What of that mean no layer explains.
    unattributed_operators
        Operators that no layer covers.
    energy
        Of one inference; None where it was not asked for or could not be measured, and a flag then says why. Always
        None on a host: nothing meters one process there.
    sustained
        Latency over minutes; None unless that was asked for.
    in_turns
        The same for benchmarks whose processes took turns on the device, process by process; empty of one by itself.
    provenance
        What every number in here is.
    run_id
        Set once it is recorded.
    """

    model_name: str
    model_sha256: str
    precision: str
    device: DeviceInfo
    latency: Latency
    init_ms: float
    first_ms: float
    memory: Memory
    placement: PlacementSummary
    outputs: OutputCheck
    environment: Environment
    options: MeasureOptions = field(default_factory=MeasureOptions)
    input_source: InputSource = InputSource.RANDOM
    layer_table: tuple[Layer, ...] = ()
    profiled_mean_ms: float | None = None
    unattributed_ms: float | None = None
    unattributed_operators: tuple[int, ...] = ()
    energy: Energy | None = None
    thermal: Thermal = field(default_factory=Thermal)
    sustained: Sustained | None = None
    flags: tuple[Flag, ...] = ()
    in_turns: str = ""
    provenance: Provenance = Provenance.MEASURED
    run_id: str | None = None
    signature_key: str = ""
    init_kind: str = ""
    init_cached_ms: float | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def layers(self) -> pd.DataFrame:
        """One row a layer, in the order they ran."""
        import pandas as pd

        rows = [[getattr(layer, column) for column in LAYER_COLUMNS] for layer in self.layer_table]
        return pd.DataFrame(rows, columns=list(LAYER_COLUMNS))

    def frame(self) -> pd.DataFrame:
        """Return one row with what a table of benchmarks compares."""
        import pandas as pd

        latency = self.latency
        row = {
            "model": self.model_name,
            "precision": self.precision,
            "device": self.device.name,
            "address": self.device.address,
            "asked": self.placement.asked,
            "got": self.placement.got,
            "p50_ms": latency.p50_ms,
            "p90_ms": latency.p90_ms,
            "p95_ms": latency.p95_ms,
            "p99_ms": latency.p99_ms,
            "mean_ms": latency.mean_ms,
            "std_ms": latency.std_ms,
            "ci95_low_ms": latency.ci95_ms[0],
            "ci95_high_ms": latency.ci95_ms[1],
            "n": latency.n,
            "num_processes": latency.num_processes,
            "init_ms": self.init_ms,
            "first_ms": self.first_ms,
            "peak_memory_mib": self.memory.peak_memory_bytes / 2**20,
            "energy_mj": self.energy.energy_mj if self.energy else None,
            "energy_uncertainty_mj": self.energy.uncertainty_mj if self.energy else None,
            "steady_p50_ms": self.sustained.steady_p50_ms if self.sustained else None,
            "outputs": str(self.outputs.state),
            "flags": ", ".join(flag.kind for flag in self.flags),
            "provenance": str(self.provenance),
            "run_id": self.run_id,
        }
        return pd.DataFrame([row])

    def waterfall(self) -> Any:
        """Draw the layers against time.

        Returns
        -------
        plotly.graph_objects.Figure
            One bar a layer, x in ms.
        """
        return draw("waterfall", self)

    def chart(self, kind: str) -> Any:
        """Draw one of its figures.

        Parameters
        ----------
        kind
            ``"waterfall"``, ``"operators"`` or ``"treemap"`` of its layers; ``"latency"``, how its inferences are
            distributed; ``"over_time"``, each of them in order; ``"sustained"``.

        Returns
        -------
        plotly.graph_objects.Figure
            Reads on light and dark pages.

        Raises
        ------
        InputError
            If it lacks what the figure shows.
        """
        return draw(kind, self)

    def sustained_curve(self) -> Any:
        """Draw latency and heat against time.

        Returns
        -------
        plotly.graph_objects.Figure
            p50 of each short process in ms, time in s or min.

        Raises
        ------
        InputError
            If it was not measured with ``sustain="10m"`` or the like.
        """
        return draw("sustained", self)

    def to_record(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        parity = self.outputs.parity
        return {
            **asdict(self),
            "device": self.device.to_record(),
            "options": self.options.to_record(),
            "outputs": {**asdict(self.outputs), "parity": parity.to_record() if parity else None},
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Benchmark:
        """Rebuild what :meth:`to_record` wrote, also after a trip through JSON.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        InputError
            If it is no record of a benchmark.
        """
        SchemaTooNewError.check("this benchmark", record.get("schema_version"), SCHEMA_VERSION)
        try:
            return cls(**_thawed(record))
        except (KeyError, TypeError, ValueError) as err:
            raise InputError(
                f"this is no record of a benchmark: {type(err).__name__}: {err}",
                hint="pass what Benchmark.to_record() returned",
            ) from err

    def _view(self) -> View:
        from embedl_nb.measure.views import benchmark_view

        return benchmark_view(self)


def _thawed_placement(record: dict[str, Any]) -> PlacementSummary:
    # Records from before phones were measured tell by the units alone.
    return PlacementSummary(**{"is_as_asked": record["asked"] == record["got"], **record})


def _thawed(record: dict[str, Any]) -> dict[str, Any]:
    outputs = dict(record["outputs"])
    if outputs["parity"] is not None:
        from embedl_nb.model.evidence import Parity

        outputs["parity"] = Parity.from_record(outputs["parity"])
    outputs["state"] = OutputState(outputs["state"])
    return {
        **record,
        "device": DeviceInfo.from_record(record["device"]),
        "latency": Latency.from_record(record["latency"]),
        "memory": Memory(**record["memory"]),
        "placement": _thawed_placement(record["placement"]),
        "outputs": OutputCheck(**outputs),
        "environment": Environment(**record["environment"]),
        "options": MeasureOptions.from_record(record["options"]),
        "input_source": InputSource(record["input_source"]),
        "layer_table": tuple(Layer.from_record(layer) for layer in record["layer_table"]),
        "unattributed_operators": tuple(record["unattributed_operators"]),
        "energy": Energy.from_record(record["energy"]) if record["energy"] else None,
        "thermal": Thermal(**record["thermal"]),
        "sustained": Sustained.from_record(record["sustained"]) if record.get("sustained") else None,
        "flags": tuple(Flag(kind=FlagKind(flag["kind"]), sentence=flag["sentence"]) for flag in record["flags"]),
        "provenance": Provenance(record["provenance"]),
    }
