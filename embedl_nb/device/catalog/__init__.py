"""Phones and chips that a model can be compiled for: facts from files, looked up by name and by filter."""

from __future__ import annotations

from embedl_nb.device.catalog.facts import Chip, Phone
from embedl_nb.device.catalog.listing import Catalog
from embedl_nb.device.catalog.looking_up import Filters, chips_named, find, phones_named, targets_named

__all__ = ["Catalog", "Chip", "Filters", "Phone", "chips_named", "find", "phones_named", "targets_named"]
