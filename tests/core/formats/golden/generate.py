"""Write down what the installed kombu sends, and what it reads from what others sent.

    python generate.py > kombu-5.7.0.json
    python generate.py --read kombu-*.json > read-by-kombu-5.7.0.json

Run it in an environment of the kombu in question (4.6 needs Python 3.10).  The fixtures beside
this file were made so, and are not to be made by the kombu under test.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import sys
import uuid
from pathlib import Path

UTC = datetime.timezone.utc
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
DAY = datetime.datetime(2026, 2, 3)

PLAIN = {
    "null": None,
    "true": True,
    "integer": 2**70,
    "negative": -1,
    "float": 1.5,
    "large float": 1e100,
    "infinity": float("-inf"),
    "text": "text",
    "latin text": "caf\u00e9",
    "astral text": "\U0001f600\u2028",
    "lone surrogate": "\ud800",
    "control characters": '\x00\t"\\/',
    "list": [1, [2, [3]], []],
    "tuple": (1, 2),
    "dictionary": {"b": 1, "a": {"nested": None}, "": ""},
    "number keys": {1: "a", 1.5: "b", None: "c", False: "d"},
    "celery body": [[1, "x"], {"key": None}, {"callbacks": None, "chain": None, "chord": None}],
    "unfinished typed form": {"__type__": "datetime"},
    "wider typed form": {"__type__": "datetime", "__value__": "x", "more": 1},
}

TYPED = {
    "naive datetime": datetime.datetime(2026, 2, 3, 4, 5, 6, 789),
    "datetime without microseconds": DAY,
    "utc datetime": datetime.datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC),
    "datetime with an offset": datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=EAST),
    "date": datetime.date(2026, 2, 3),
    "time": datetime.time(4, 5, 6),
    "utc time": datetime.time(4, 5, 6, 7, tzinfo=UTC),
    "uuid 1": uuid.UUID("12345678-1234-1678-8234-567812345678"),
    "uuid 4": uuid.UUID("12345678-1234-4678-8234-567812345678"),
    "uuid 7": uuid.UUID("12345678-1234-7678-8234-567812345678"),
    "uuid without a version": uuid.UUID(int=5),
    "decimal": decimal.Decimal("1.50"),
    "decimal with an exponent": decimal.Decimal("1E+5"),
    "utf-8 bytes": "caf\u00e9".encode(),
    "other bytes": b"\xff\xfe",
    "no bytes": b"",
    "typed values within": {"at": DAY, "ids": [uuid.UUID(int=1), b"x"]},
}

COMPRESSED = ("a body that repeats itself, " * 20).encode()


def written():
    import kombu
    from kombu import compression, serialization

    out = {"version": kombu.__version__, "json": {}, "others": {}, "compressed": {}}
    for name, value in {**PLAIN, **TYPED}.items():
        try:
            content_type, content_encoding, body = serialization.dumps(value, serializer="json")
        except Exception:
            continue
        out["json"][name] = [content_type, content_encoding, body]
    for serializer in ("pickle", "yaml", "msgpack"):
        value = {"b": 1, "a": [1, "caf\u00e9", None, b"\xff", 1.5]}
        try:
            content_type, content_encoding, body = serialization.dumps(value, serializer=serializer)
        except serialization.SerializerNotInstalled:
            continue
        body = base64.b64encode(body if isinstance(body, bytes) else body.encode()).decode()
        out["others"][serializer] = [content_type, content_encoding, body]
    for compressor in ("gzip", "bzip2", "lzma", "brotli", "zstd"):
        try:
            body, content_type = compression.compress(COMPRESSED, compressor)
        except KeyError:
            continue
        out["compressed"][compressor] = [content_type, base64.b64encode(body).decode()]
    return out


def read(paths):
    """What this kombu reads in the bodies of others, described by what it would send for it."""
    from kombu import serialization

    out = {}
    for path in paths:
        fixture = json.loads(Path(path).read_text())
        for content_type, content_encoding, body in fixture["json"].values():
            value = serialization.loads(body, content_type, content_encoding)
            out[body] = [type(value).__name__, serialization.dumps(value, serializer="json")[2]]
    return out


if __name__ == "__main__":
    result = read(sys.argv[2:]) if sys.argv[1:2] == ["--read"] else written()
    json.dump(result, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
