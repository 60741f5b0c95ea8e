"""From what a person says to phones and chips: words and filters list them, a name picks a target.

Listing is generous (``"galaxy s24"`` finds the whole family); a target is exact: a name that two chips share gives
both, and one that is nearly right gives the names that it may have meant. Nothing is guessed.
"""

from __future__ import annotations

import dataclasses
import difflib
import heapq
import itertools
import re
from collections.abc import Iterator
from functools import cache

from embedl_nb.device.catalog.facts import Chip, Phone, chips, phones
from embedl_nb.errors import InputError, UnknownNameError

__all__ = ["Filters", "chips_named", "find", "phones_named", "targets_named"]

_TEXTS = ("brand", "chip", "npu", "tier")
_TIERS = ("entry", "mid", "flagship")
_LONGEST_NAME, _NUM_CANDIDATES, _NUM_COMPARED = 200, 5, 60
_NETWORK = re.compile(r" [45]g$")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What phones are to have; None asks for nothing.

    Attributes
    ----------
    brand
        ``"Samsung"``.
    chip
        A part (``"SM8650"``) or a name (``"Snapdragon 8 Gen 3"``).
    npu
        Part of the NPU's name (``"hexagon v75"``), or whose SDK compiles for it (``"qualcomm"``).
    min_ram_gb
        The least memory that every version of it has.
    tier
        ``"entry"``, ``"mid"`` or ``"flagship"``.
    api_level
        An Android API level that it was seen with.
    year
        Of its launch. Phones of unknown year are left out.
    """

    brand: str | None = None
    chip: str | None = None
    npu: str | None = None
    min_ram_gb: int | None = None
    tier: str | None = None
    api_level: int | None = None
    year: int | None = None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            _check_type(name, value, str if name in _TEXTS else int)
        if self.tier is not None and self.tier not in _TIERS:
            raise UnknownNameError.among("tier", self.tier, _TIERS)
        if self.brand is not None and _plain(self.brand) not in _brands():
            raise UnknownNameError.among("brand", self.brand, sorted(_brands().values()))
        if self.chip is not None and _plain(self.chip) not in _chips_by_name():
            raise _unknown(self.chip)

    def fits(self, phone: Phone) -> bool:
        """Say whether a phone has all of it."""
        return (
            (self.brand is None or _plain(phone.brand) == _plain(self.brand))
            and (self.chip is None or phone.chip in _chips_by_name()[_plain(self.chip)])
            and (self.npu is None or _has_npu(phone.chip, self.npu))
            and (self.min_ram_gb is None or (phone.ram_gb is not None and phone.ram_gb[0] >= self.min_ram_gb))
            and (self.tier is None or phone.chip.tier == self.tier)
            and (self.api_level is None or _was_seen_with(phone, self.api_level))
            and (self.year is None or phone.year == self.year)
        )


def find(query: str | None, filters: Filters) -> tuple[Phone, ...]:
    """Return the phones that have every word of ``query`` in their names or their chip's, and what ``filters`` asks.

    A word counts where one of theirs begins with it. Phones that are called exactly that come first.

    Raises
    ------
    InputError
        If ``query`` is no text.
    UnknownNameError
        If nothing has these words; close names are its candidates.
    """
    _check_type("query", query, str)
    words = list(dict.fromkeys(_plain(query or "").split()))
    found = [phone for phone, theirs in _words_of_phones() if all(_begins(word, theirs) for word in words)]
    if not found:
        raise _unknown(query or "")
    exact = set(_phones_by_name().get(_plain(query or ""), ()))
    return tuple(sorted((phone for phone in found if filters.fits(phone)), key=lambda phone: phone not in exact))


def _check_type(name: str, value: object, wanted: type) -> None:
    if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
        kind, example = ("text", "galaxy s24") if wanted is str else ("whole number", 8)
        raise InputError(f"{name}={value!r} is no {kind}", hint=f"give e.g. {example!r}: help(enb.catalog) has all")


def targets_named(name: str) -> tuple[Phone, ...] | Chip:
    """Return what a target's name means: the phones of that name (one for each chip it is sold with), or a chip.

    Accepts a phone's name with or without its brand and its ``5G``, a codename, a model code, and a chip's part.

    Raises
    ------
    InputError
        If it is no text.
    UnknownNameError
        If nothing has exactly this name; close ones are its candidates.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"{name!r} is no name of a phone", hint='give e.g. "Samsung Galaxy S24", or a chip: "SM8650"')
    plain = _plain(name)
    if plain in _phones_by_name():
        return _phones_by_name()[plain]
    of_that_name = _chips_by_name().get(plain, ())
    if len(of_that_name) == 1:
        return of_that_name[0]
    if of_that_name:
        raise UnknownNameError.among("chip", name, [chip.part for chip in of_that_name])
    raise _unknown(name)


def phones_named(name: str) -> tuple[Phone, ...]:
    """Return the phones that go by ``name``, as a phone reports itself; none where it is unknown."""
    return _phones_by_name().get(_plain(name), ())


def chips_named(name: str) -> tuple[Chip, ...]:
    """Return the chips that go by ``name``; none where it is unknown."""
    return _chips_by_name().get(_plain(name), ())


def _unknown(name: str) -> UnknownNameError:
    if len(name) > _LONGEST_NAME:
        return UnknownNameError(
            f"no phone or chip has a name of {len(name)} characters", hint="enb.catalog() lists those that are known"
        )
    plain = _plain(name)
    close = difflib.get_close_matches(plain, _with_the_same_pairs(plain), n=_NUM_CANDIDATES, cutoff=0.6)
    alike = [_name_by_plain()[each] for each in close]
    names = tuple(dict.fromkeys([*_that_have(plain, alike), *alike]))[:_NUM_CANDIDATES]
    hint = f"did you mean {' or '.join(names)}?" if names else "enb.catalog() lists those that are known"
    return UnknownNameError(f"no phone or chip is known as {name!r}", candidates=names, hint=hint)


def _with_the_same_pairs(plain: str) -> list[str]:
    """Return the names that share most pairs of letters with a name: difflib would take 0.1 s for all of them."""
    pairs = _pairs(plain)
    shared = {each: 2 * len(pairs & theirs) / (len(pairs) + len(theirs) or 1) for each, theirs in _pairs_of_names()}
    return heapq.nlargest(_NUM_COMPARED, shared, key=shared.__getitem__)


def _pairs(text: str) -> frozenset[str]:
    return frozenset(map("".join, itertools.pairwise(text)))


@cache
def _name_by_plain() -> dict[str, str]:
    """Return what may be offered for a name, by how it is compared."""
    whole = {_plain(each): each for each in (*(phone.name for phone in phones()), *_chip_names())}
    return {each: named[0].name for each, named in _phones_by_name().items()} | whole


@cache
def _pairs_of_names() -> tuple[tuple[str, frozenset[str]], ...]:
    return tuple((each, _pairs(each)) for each in _name_by_plain())


def _that_have(plain: str, alike: list[str]) -> list[str]:
    """Return the phones that have every word of a name: those that are alike first, then the shortest."""
    words = plain.split()
    having = {phone.name for phone, theirs in _words_of_phones() if words and all(_begins(w, theirs) for w in words)}
    return [name for name in alike if name in having] + sorted(having - {*alike}, key=lambda name: (len(name), name))


def _plain(text: str) -> str:
    """Return ``text`` as names are compared: small letters, single blanks, no brackets."""
    return " ".join(re.sub(r"[()_,]", " ", text.casefold()).split())


def _begins(word: str, theirs: tuple[str, ...]) -> bool:
    return any(each.startswith(word) for each in theirs)


def _has_npu(chip: Chip, npu: str) -> bool:
    return bool(chip.npu_sdk) and (_plain(npu) == _plain(chip.npu_sdk) or _plain(npu) in _plain(chip.npu))


def _was_seen_with(phone: Phone, level: int) -> bool:
    return phone.api_levels is not None and phone.api_levels[0] <= level <= phone.api_levels[1]


@cache
def _brands() -> dict[str, str]:
    return {_plain(phone.brand): phone.brand for phone in phones()}


@cache
def _words_of_phones() -> tuple[tuple[Phone, tuple[str, ...]], ...]:
    return tuple((phone, tuple(sorted(set(" ".join(_texts(phone)).split())))) for phone in phones())


def _texts(phone: Phone) -> Iterator[str]:
    chip = phone.chip
    names = (phone.chip_name,) if phone.chip_name else chip.names
    for text in (phone.name, phone.brand, *phone.codenames, *phone.model_codes, chip.part, *names):
        yield _plain(text)


@cache
def _phones_by_name() -> dict[str, tuple[Phone, ...]]:
    """Return the phones by what they may be called; where a shorter name is a phone's whole name, it is that phone."""
    whole: dict[str, list[Phone]] = {}
    shorter: dict[str, list[Phone]] = {}
    for phone in phones():
        whole.setdefault(_plain(phone.name), []).append(phone)
        for name in _shorter_names(phone):
            shorter.setdefault(name, []).append(phone)
    return {name: tuple(found) for name, found in (shorter | whole).items()}


def _shorter_names(phone: Phone) -> set[str]:
    full = _plain(phone.name)
    without_brand = full.removeprefix(_plain(phone.brand) + " ")
    names = {without_brand, f"{_plain(phone.brand)} {without_brand}"}
    names |= {_NETWORK.sub("", name) for name in names}
    codes = {_plain(code) for code in (*phone.codenames, *phone.model_codes)}
    return (names | codes - _brands().keys()) - {full}  # some Motorolas report "motorola" as their model


@cache
def _chips_by_name() -> dict[str, tuple[Chip, ...]]:
    named: dict[str, list[Chip]] = {}
    for chip in chips().values():
        for name in dict.fromkeys(map(_plain, (chip.part, *chip.names, *chip.aliases))):
            named.setdefault(name, []).append(chip)
    return {name: tuple(found) for name, found in named.items()}


def _chip_names() -> list[str]:
    return [name for chip in chips().values() for name in dict.fromkeys((chip.part, *chip.names))]
