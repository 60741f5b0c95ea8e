"""Compile, verify and benchmark models for phones, in a notebook."""

from __future__ import annotations

__version__ = "0.1.0"
