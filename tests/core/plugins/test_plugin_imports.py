from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["kombu", "kombu.plugins", "kombu.transport"])
def test_importing_loads_neither_pluggy_nor_the_metadata(module: str) -> None:
    code = (
        f"import sys; import {module}; "
        "print(sorted({'pluggy', 'importlib.metadata', 'difflib'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
