"""What is known beforehand of values that are free text: names of the catalog, and columns that a query may ask for.

Each function returns them when Tab asks; nothing here refuses a value.
"""

from __future__ import annotations

from collections.abc import Iterable

from embedl_nb.commands.kinds import Suggested

__all__ = [
    "BRAND",
    "CATALOG_WORDS",
    "CHIP",
    "DEVICES_QUERY",
    "NPU",
    "OBJECTIVE",
    "RESULTS_QUERY",
    "RUNS_QUERY",
    "TIER",
]


def _brands() -> Iterable[str]:
    from embedl_nb.device.catalog.facts import phones

    return (phone.brand for phone in phones())


def _chips() -> Iterable[str]:
    from embedl_nb.device.catalog.facts import chips

    return (name for chip in chips().values() for name in (chip.part, *chip.names))


def _npus() -> Iterable[str]:
    from embedl_nb.device.catalog.facts import chips

    return (name for chip in chips().values() for name in (chip.npu_sdk, chip.npu))


def _tiers() -> Iterable[str]:
    from embedl_nb.device.catalog.facts import chips

    return (chip.tier for chip in chips().values())


def _phones_or_columns() -> Iterable[str]:
    from embedl_nb.device.catalog.facts import phones
    from embedl_nb.device.catalog.listing import COLUMN_KINDS

    return (*(phone.name for phone in phones()), *COLUMN_KINDS)


def _of_results() -> Iterable[str]:
    from embedl_nb.analysis.budget import NAMES

    return NAMES


def _of_runs() -> Iterable[str]:
    from embedl_nb.runstore.rows import NAMES

    return NAMES


def _of_devices() -> Iterable[str]:
    from embedl_nb.pipeline.device_table import NAMES

    return NAMES


BRAND = Suggested(_brands)
CHIP = Suggested(_chips)
NPU = Suggested(_npus)
TIER = Suggested(_tiers)
OBJECTIVE = Suggested(_of_results)
RESULTS_QUERY = Suggested(_of_results, is_query=True)
RUNS_QUERY = Suggested(_of_runs, is_query=True)
DEVICES_QUERY = Suggested(_of_devices, is_query=True)
CATALOG_WORDS = Suggested(_phones_or_columns, is_query=True)
