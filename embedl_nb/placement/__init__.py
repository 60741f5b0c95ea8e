"""Where every operator of a model would run on a phone, and why: seen from runtimes and compilers, not guessed."""

from __future__ import annotations

from embedl_nb.placement.asking import RehearsedOn, place
from embedl_nb.placement.placement import Placement
from embedl_nb.placement.placements import Placements

__all__ = ["Placement", "Placements", "RehearsedOn", "place"]
