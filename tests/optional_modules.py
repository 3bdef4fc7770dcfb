"""Modules that not everybody has: skipped where one is missing, and a failure under CI."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest

__all__ = ("optional_module",)


def optional_module(name: str) -> Any:
    """Import a module of the development environment, for a test or a module of tests."""
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        said = f"{name} can't be imported ({exc}): scripts/test makes an environment that has it"
        if os.environ.get("CI"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said, allow_module_level=True)
