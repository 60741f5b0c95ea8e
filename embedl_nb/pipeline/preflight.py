"""Where a model would run on a phone, as a user asks for it: by the phone's name, for one or many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import DeviceError, EmbedlError, InputError, UnknownNameError
from embedl_nb.pipeline.bar import showing
from embedl_nb.pipeline.calls import call_of
from embedl_nb.pipeline.recording import recorded
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from pathlib import Path

    from embedl_nb.device.catalog import Chip, Phone
    from embedl_nb.model import LiteRTModel
    from embedl_nb.placement import Placement, Placements, RehearsedOn

__all__ = ["preflight"]

_SAME_FOR_EVERY_CHIP = (ComputeUnit.CPU, ComputeUnit.GPU)


def preflight(
    model: LiteRTModel | str | Path,
    device: str | Chip | Phone | Iterable[str | Chip | Phone],
    *,
    compute_units: Sequence[str] = ("cpu", "gpu", "npu"),
    signature_key: str | None = None,
    rehearse: bool = False,
    samples: Any = None,
    source: LiteRTModel | str | Path | None = None,
) -> Placement | Placements:
    """Say where every operator would run on a phone, and why, before there is a phone.

    Each unit is asked by what decides there: LiteRT's CPU runtime, LiteRT's GPU delegate on this machine's Vulkan
    driver, and the vendor's own compiler for the NPU of that very chip. Nothing is looked up in a table, and what
    cannot be asked here is "not checked", with the command that would change it.

    Parameters
    ----------
    model
        A compiled model, or the path of a ``.tflite`` file.
    device
        A phone's name (``"Samsung Galaxy S24"``), a chip (``"SM8650"``), the address of a phone (``"adb://SERIAL"``),
        several of them, or what :func:`catalog` found, or a phone or chip of it. A phone that is sold with two chips is
        asked about with both; of an attached one the chip is known.
    compute_units
        Which units to ask about.
    signature_key
        Which signature; by default the first.
    rehearse
        Also run what was compiled for the NPU in the vendor's simulator, and compare its outputs with the CPU's and the
        source's. Takes from a second to minutes a sample. The values are the simulator's, which no phone has confirmed;
        its time says nothing.
    samples
        What to rehearse on, in real values: a list of samples, each an array, a tuple by position or a dict by input
        name; or one such, which may hold several along the first axis. By default those that the model was verified on.
    source
        What the rehearsal is compared with besides the CPU: the float model that a quantized one was made from. By
        default what the source made of the model's own samples, where that is known.

    Returns
    -------
    Placement or Placements
        One placement for one chip; for several chips a set of them, one for each distinct chip.

    Raises
    ------
    InputError, UnknownNameError
        If there is no such model, phone, unit or signature.
    DeviceError
        If nothing answers at an address.

    Examples
    --------
    >>> enb.preflight(model, "Samsung Galaxy S24").verdict  # doctest: +SKIP
    """
    from embedl_nb.model import as_model
    from embedl_nb.placement import Placements, place
    from embedl_nb.placement.foreseen import keep_foreseen

    subject, units = as_model(model), _units(compute_units)
    rehearsed_on = _rehearsed_on(rehearse=rehearse, samples=samples, source=source)
    targets, errors = _targets(device)
    results: dict[str, Placement] = {}
    with showing("preflight"):
        for chip, (target, phones) in targets.items():
            answers = [answer for placement in results.values() for answer in placement.answers]
            known = [answer for answer in answers if answer.unit in _SAME_FOR_EVERY_CHIP]
            placement = place(
                subject,
                chip,
                target=target,
                phones=phones,
                units=units,
                signature_key=signature_key,
                rehearsed_on=rehearsed_on,
                known=known,
            )
            keep_foreseen(placement, chip.part)
            results[f"{target} | {chip}" if phones else str(chip)] = placement
    call = call_of(
        model=subject,
        compute_units=[str(unit) for unit in units],
        signature_key=signature_key,
        rehearse=rehearse,
        samples=samples,
        source=None if source is None else as_model(source),
    )
    results = {
        name: recorded("preflight", placement, model=subject, parent_run_id=subject.run_id, call=call)
        for name, placement in results.items()
    }
    if len(results) == 1 and not errors:
        return next(iter(results.values()))
    return Placements(results=results, errors=errors)


def _rehearsed_on(*, rehearse: bool, samples: Any, source: LiteRTModel | str | Path | None) -> RehearsedOn | None:
    from embedl_nb.model import as_model
    from embedl_nb.placement import RehearsedOn

    if rehearse:
        return RehearsedOn(samples=samples, source=None if source is None else as_model(source))
    if samples is not None or source is not None:
        raise InputError(
            f"{'samples' if samples is not None else 'source'} is for a rehearsal, which was not asked for",
            hint="add rehearse=True",
        )
    return None


def _units(names: Sequence[str]) -> tuple[ComputeUnit, ...]:
    if isinstance(names, str):
        names = (names,)
    if not isinstance(names, Iterable) or not (found := list(names)):
        raise InputError(f"no compute unit was given: compute_units={names!r}", hint='give some of "cpu", "gpu", "npu"')
    for name in found:
        if name not in list(ComputeUnit):
            raise UnknownNameError.among("compute unit", str(name), list(ComputeUnit))
    return tuple(ComputeUnit(name) for name in dict.fromkeys(found))


def _targets(
    device: str | Chip | Phone | Iterable[str | Chip | Phone],
) -> tuple[dict[Chip, tuple[str, list[str]]], dict[str, EmbedlError]]:
    """Return each distinct chip with what was asked for and the phones that have it, and what is not known."""
    from embedl_nb.device.catalog import Catalog

    asked = list(device) if isinstance(device, Iterable) and not isinstance(device, str) else [device]
    query = device.query if isinstance(device, Catalog) else ""
    found: dict[Chip, tuple[str, list[str]]] = {}
    errors: dict[str, EmbedlError] = {}
    for each in asked:
        try:
            name, named = _meant(each)
        except (UnknownNameError, DeviceError) as err:
            if len(asked) == 1:
                raise
            errors[str(each)] = err
            continue
        for chip, phones in named:
            found.setdefault(chip, (query or name, []))[1].extend(phones)
    if not found:
        raise InputError("no device was given", hint='give e.g. device="Samsung Galaxy S24"; enb.catalog() lists all')
    return found, errors


def _meant(asked: str | Chip | Phone) -> tuple[str, list[tuple[Chip, list[str]]]]:
    """Return the name of what was asked for, and its chips, each with the phones of that name that have it."""
    from embedl_nb.device.catalog import Chip, Phone
    from embedl_nb.device.targets import targets_meant

    if isinstance(asked, Phone):
        return asked.name, [(asked.chip, [asked.name])]
    named = asked if isinstance(asked, Chip) else targets_meant(asked)
    if isinstance(named, Chip):
        return named.part if isinstance(asked, Chip) else asked, [(named, [])]
    return str(asked), [(phone.chip, [phone.name]) for phone in named]
