from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    *("asyncio", "backports.zstd", "brotli", "bz2", "concurrent", "datetime", "decimal", "email"),
    *("gzip", "importlib.metadata", "inspect", "logging", "lzma", "msgpack", "multiprocessing"),
    *("orjson", "pickle", "pluggy", "random", "socket", "ssl", "subprocess", "traceback", "urllib"),
    *("uuid", "yaml", "zlib", "zstandard"),
)


@pytest.mark.parametrize(
    "module", ["kombu.serialization", "kombu.compression", "kombu.utils.functional"]
)
def test_only_what_every_message_needs_is_imported(module: str) -> None:
    code = f"import sys, {module}; print(*(set({HEAVY!r}) & set(sys.modules)))"
    # -S: what an environment's own start-up files import does not count.
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.split() == []


def test_writing_and_reading_json_imports_nothing_further() -> None:
    code = (
        "from kombu.serialization import dumps, loads; import sys; before = set(sys.modules); "
        "content_type, encoding, body = dumps({'a': [1, None]}); "
        "assert loads(body.encode(), content_type, encoding) == {'a': [1, None]}; "
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == []
