"""Torch's list of its composite operators, made once: a conversion asks for it several times, 0.2 s each.

Torch makes it anew each time because an operator may have been added. Here it is made anew when one has been. Used in
the child only.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.export import decomp_utils, exported_program

__all__ = ["list_composites_once"]


def list_composites_once() -> None:
    """Put the remembered list in the place of torch's function, in the two modules that ask for it."""
    listed = getattr(exported_program, "_collect_all_valid_cia_ops", None)
    if listed is None or listed is _composites or not hasattr(decomp_utils, "_collect_all_valid_cia_ops"):
        return  # another torch: it works as it did, only slower
    _original.append(listed)
    exported_program._collect_all_valid_cia_ops = decomp_utils._collect_all_valid_cia_ops = _composites


_original: list[Any] = []


def _composites() -> set[Any]:
    registered = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
    return _listed(len(registered), len(torch.ops._dir))


@functools.lru_cache(maxsize=1)
def _listed(_num_registered: int, _num_namespaces: int) -> set[Any]:
    found: set[Any] = _original[-1]()
    return found
