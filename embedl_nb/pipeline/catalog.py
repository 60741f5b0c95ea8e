"""The phones and chips that a model can be compiled for, as a user asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embedl_nb.device.catalog import Catalog

__all__ = ["catalog"]


def catalog(
    query: str | None = None,
    *,
    brand: str | None = None,
    chip: str | None = None,
    npu: str | None = None,
    min_ram_gb: int | None = None,
    tier: str | None = None,
    api_level: int | None = None,
    year: int | None = None,
) -> Catalog:
    """List the phones that are known, with their chips.

    It works offline: the facts are in the package, which also names where each is from. A phone that is sold with two
    chips is listed twice.

    Parameters
    ----------
    query
        Words that the names of the phone or of its chip begin with: ``"galaxy s24"``, ``"pixel"``, ``"SM8650"``; or
        what is to hold of the columns of ``.frame()``: ``'npu ~ "hexagon" and min_ram_gb >= 8'``, as in :func:`runs`.
    brand
        ``"Samsung"``.
    chip
        A part (``"SM8650"``) or a name (``"Snapdragon 8 Gen 3"``).
    npu
        Part of the NPU's name (``"hexagon v75"``), or whose SDK compiles for it through LiteRT (``"qualcomm"``,
        ``"mediatek"``, ``"google_tensor"``, ``"samsung"``).
    min_ram_gb
        The least memory of every version of it, in GB as it is sold.
    tier
        ``"entry"``, ``"mid"`` or ``"flagship"``.
    api_level
        An Android API level that it was seen with.
    year
        Of its launch. It is unknown for most phones, which are then left out.

    Returns
    -------
    Catalog
        Shows itself; ``.phones``, ``.chips`` and ``.frame()`` are for programs.

    Raises
    ------
    UnknownNameError
        If no phone or chip has these words, or a brand, chip, tier or column is unknown; close ones are its candidates.
    InputError
        If a condition cannot be read.

    Examples
    --------
    >>> import embedl_nb as enb
    >>> [phone.chip_label for phone in enb.catalog("galaxy s24 ultra")]
    ['Snapdragon 8 Gen 3 (SM8650)']
    """
    from embedl_nb.device.catalog import Catalog, Filters, find
    from embedl_nb.device.catalog.listing import COLUMN_KINDS, phones_where
    from embedl_nb.query import is_condition, parse

    filters = Filters(brand=brand, chip=chip, npu=npu, min_ram_gb=min_ram_gb, tier=tier, api_level=api_level, year=year)
    if query is not None and is_condition(query):
        return Catalog(query=query, phones=phones_where(parse(query, COLUMN_KINDS), find(None, filters)))
    return Catalog(query=query or "", phones=find(query, filters))
