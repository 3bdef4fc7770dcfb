from __future__ import annotations

import pickle
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from kombu import serialization
from kombu.exceptions import (
    ContentDisallowed,
    DecodeError,
    EncodeError,
    SerializerNotInstalled,
)
from kombu.serialization import (
    SerializerRegistry,
    disable_insecure_serializers,
    dumps,
    enable_insecure_serializers,
    loads,
    prepare_accept_content,
    raw_encode,
    register,
    registry,
    unregister,
)
from optional_modules import optional_module

JSON, PICKLE = "application/json", "application/x-python-serialize"
YAML, MSGPACK = "application/x-yaml", "application/x-msgpack"


class Marked(Exception):
    """Raised by decoders of tests: nothing else raises it."""


def forbidden(body: Any) -> Any:
    raise AssertionError("a refused body was decoded")


# -- writing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "serializer", "expected"),
    [
        ({"a": 1}, None, (JSON, "utf-8", '{"a": 1}')),
        ({"a": 1}, "", (JSON, "utf-8", '{"a": 1}')),
        (None, None, (JSON, "utf-8", "null")),
        ("caf\u00e9", None, ("text/plain", "utf-8", b"caf\xc3\xa9")),
        (b"\xff", None, ("application/data", "binary", b"\xff")),
        ("caf\u00e9", "json", (JSON, "utf-8", '"caf\\u00e9"')),
        ("caf\u00e9", "raw", ("application/data", "utf-8", b"caf\xc3\xa9")),
        (b"\xff", "raw", ("application/data", "binary", b"\xff")),
        ([1], "raw", ("application/data", "binary", [1])),
        ([1], "pickle", (PICKLE, "binary", pickle.dumps([1], 4))),
    ],
)
def test_a_body_is_written_with_its_content_type_and_encoding(
    body: Any, serializer: str | None, expected: tuple[str, str, Any]
) -> None:
    assert dumps(body, serializer) == expected


def test_raw_encode_labels_a_body_as_data() -> None:
    assert raw_encode("\u00e9") == ("application/data", "utf-8", b"\xc3\xa9")
    assert raw_encode(b"\xff") == ("application/data", "binary", b"\xff")


@pytest.mark.parametrize(
    ("body", "serializer"),
    [
        (object(), None),
        ({1}, "json"),
        ("\ud800", None),
        ("\ud800", "raw"),
        (lambda: 1, "pickle"),
        (float, "json"),
    ],
    ids=["object", "set", "surrogate", "raw surrogate", "function", "class"],
)
def test_a_body_that_cannot_be_written_is_an_encode_error(body: Any, serializer: Any) -> None:
    with pytest.raises(EncodeError, match="cannot be written as") as caught:
        dumps(body, serializer)
    assert caught.value.__cause__ is not None


def test_circular_and_deep_bodies_are_encode_errors() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(EncodeError, match="Circular"):
        dumps(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(EncodeError, match="deeply"):
        dumps(deep)


def test_an_unknown_serializer_is_named_with_those_that_are_known() -> None:
    with pytest.raises(SerializerNotInstalled, match=r"for jsno: known are json, msgpack, "):
        dumps({}, serializer="jsno")


def test_a_registry_without_a_default_says_so() -> None:
    with pytest.raises(EncodeError, match="no default"):
        SerializerRegistry().dumps({})


def test_the_pickle_protocol_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serialization, "pickle_protocol", 2)
    assert dumps([1], "pickle")[2] == pickle.dumps([1], 2)
    code = "from kombu.serialization import dumps, pickle_protocol; assert pickle_protocol == 3; "
    code += "assert dumps([1], 'pickle')[2][:2] == b'\\x80\\x03'"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PICKLE_PROTOCOL": "3"})


# -- reading ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", [str, str.encode, lambda s: bytearray(s.encode())])
def test_a_body_may_be_text_or_bytes_of_any_kind(make: Any) -> None:
    assert loads(make('{"a": 1}'), JSON, "utf-8") == {"a": 1}


def test_the_buffer_of_a_broker_client_is_read() -> None:
    assert loads(memoryview(b'{"a": 1}'), JSON, "utf-8") == {"a": 1}
    assert loads(memoryview(b"text"), "text/plain", "utf-8") == "text"
    assert loads(memoryview(dumps([1], "pickle")[2]), PICKLE, "binary", force=True) == [1]


@pytest.mark.parametrize(
    ("body", "content_type", "content_encoding", "expected"),
    [
        (b"\xc3\xa9", "text/plain", "utf-8", "\u00e9"),
        (b"\xe9", "text/plain", "latin-1", "\u00e9"),
        (b"\xe9", "text/plain", "LATIN-1", "\u00e9"),
        (b"\xff", "application/data", "binary", b"\xff"),
        (b"\xff", "application/data", "ascii-8bit", b"\xff"),
        (b"\xc3\xa9", None, None, "\u00e9"),
        (b"\xff", None, "binary", b"\xff"),
        (b"{}", "application/x-unknown", "utf-8", "{}"),
        ("text", "text/plain", "no such encoding", "text"),
        (b"", "text/plain", "utf-8", ""),
        (None, JSON, "utf-8", None),
        (b"1", b"application/json", b"utf-8".decode(), 1),
    ],
)
def test_a_body_without_a_serializer_is_text_or_bytes(
    body: Any, content_type: Any, content_encoding: Any, expected: Any
) -> None:
    assert loads(body, content_type, content_encoding) == expected


@pytest.mark.parametrize(
    ("body", "content_type", "content_encoding"),
    [
        (b"{", JSON, "utf-8"),
        (b'{"a": 1', JSON, "utf-8"),
        (b"", JSON, "utf-8"),
        ("", JSON, "utf-8"),
        (b"\xff", JSON, "utf-8"),
        (b"[" * 100_000, JSON, "utf-8"),
        (b'{"__type__": "nope", "__value__": 1}', JSON, "utf-8"),
        (5, JSON, "utf-8"),
        (b"junk", PICKLE, "binary"),
        (b"", PICKLE, "binary"),
        (pickle.dumps([1])[:-2], PICKLE, "binary"),
        (b"\xff", "text/plain", "utf-8"),
        (b"x", "text/plain", "no such encoding"),
        (5, "text/plain", "utf-8"),
    ],
)
def test_a_corrupt_body_is_a_decode_error(
    body: Any, content_type: str, content_encoding: str
) -> None:
    with pytest.raises(DecodeError, match="the body is not") as caught:
        loads(body, content_type, content_encoding, accept=[content_type])
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("content_type", "body"),
    [(YAML, b"{a"), (YAML, b"!!python/name:os.system"), (MSGPACK, b"\xc1")],
)
def test_a_corrupt_body_of_an_optional_format_is_a_decode_error(
    content_type: str, body: bytes
) -> None:
    optional_module(registry.type_to_name[content_type])
    with pytest.raises(DecodeError, match="the body is not"):
        loads(body, content_type, "binary", accept=[content_type])


@pytest.mark.parametrize("serializer", ["yaml", "msgpack"])
def test_optional_formats_round_trip(serializer: str) -> None:
    optional_module(serializer)
    body = {"list": [1, 1.5, None, True, "caf\u00e9", b"\xff"]}
    content_type, content_encoding, written = dumps(body, serializer)
    assert loads(written, content_type, content_encoding, accept=[content_type]) == body
    raw = memoryview(written if isinstance(written, bytes) else written.encode())
    assert loads(raw, content_type, content_encoding, accept=[content_type]) == body


@pytest.mark.parametrize(("serializer", "module"), [("yaml", "yaml"), ("msgpack", "msgpack")])
def test_without_its_package_a_format_says_what_to_install(
    serializer: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    hint = rf'pip install "kombu\[{serializer}\]>=6"'
    with pytest.raises(SerializerNotInstalled, match=hint):
        dumps({}, serializer)
    content_type = registry.name_to_type[serializer]
    with pytest.raises(SerializerNotInstalled, match=hint):
        loads(b"x", content_type, "binary", accept=[content_type])


# -- what is accepted ------------------------------------------------------------------


def test_pickle_yaml_and_msgpack_are_refused_by_default_and_named() -> None:
    for name, content_type in (("pickle", PICKLE), ("yaml", YAML), ("msgpack", MSGPACK)):
        with pytest.raises(ContentDisallowed) as caught:
            loads(b"x", content_type, "binary")
        text = str(caught.value)
        assert f"{name} ({content_type})" in text
        assert f"accept=['{name}']" in text
        assert f"enable_insecure_serializers(['{name}'])" in text
        assert JSON in text


def test_a_refused_pickle_is_not_decoded() -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return forbidden, (b"",)

    with pytest.raises(ContentDisallowed):
        loads(pickle.dumps(Bomb()), PICKLE, "binary")
    with pytest.raises(ContentDisallowed):
        loads(pickle.dumps(Bomb()), PICKLE, "binary", accept=["json"], force=True)


@pytest.mark.usefixtures("pristine")
def test_what_accept_leaves_out_is_refused_before_decoding_and_before_plugins_are_asked(
    plugin_system: SimpleNamespace,
) -> None:
    register("forbidden", forbidden, forbidden, "application/x-forbidden")
    for content_type in ("application/x-forbidden", "application/x-unknown", "text/plain"):
        with pytest.raises(ContentDisallowed) as caught:
            loads(b"x", content_type, "utf-8", accept={JSON})
        assert content_type in str(caught.value)
        assert f"accepts {JSON}" in str(caught.value)
        assert "accept argument" in str(caught.value)
    assert plugin_system.asked == []


def test_an_empty_accept_refuses_everything_but_trusted_content() -> None:
    with pytest.raises(ContentDisallowed, match="accepts nothing"):
        loads("{}", JSON, "utf-8", accept=[])
    for content_type in ("application/data", "application/text", None, ""):
        assert loads(b"x", content_type, "utf-8", accept=[]) == "x"


@pytest.mark.parametrize("accept", [[PICKLE], {PICKLE}, ["pickle"], {"json", "pickle"}])
def test_accept_takes_content_types_and_names(accept: Any) -> None:
    assert loads(pickle.dumps([1]), PICKLE, "binary", accept=accept) == [1]


def test_force_reads_what_is_disabled() -> None:
    assert loads(pickle.dumps([1]), PICKLE, "binary", force=True) == [1]


def test_trusted_content_can_be_given() -> None:
    assert loads("{}", JSON, "utf-8", accept=[], _trusted_content=[JSON]) == {}


@pytest.mark.usefixtures("pristine")
def test_insecure_formats_can_be_enabled_and_disabled() -> None:
    body = pickle.dumps([1])
    enable_insecure_serializers(["pickle"])
    assert loads(body, PICKLE, "binary") == [1]
    assert YAML in registry._disabled_content_types
    disable_insecure_serializers()
    assert registry._disabled_content_types == {PICKLE, YAML, MSGPACK}
    enable_insecure_serializers()
    assert registry._disabled_content_types == set()
    disable_insecure_serializers(allowed=[PICKLE])
    assert loads(body, PICKLE, "binary") == [1]
    with pytest.raises(ContentDisallowed):
        loads("{}", JSON, "utf-8")
    disable_insecure_serializers(None)
    assert registry._disabled_content_types == {JSON, PICKLE, YAML, MSGPACK}
    enable_insecure_serializers(None)
    assert JSON in registry._disabled_content_types
    with pytest.raises(SerializerNotInstalled, match="nope"):
        enable_insecure_serializers(["nope"])


def test_accept_content_is_prepared_from_names_and_content_types() -> None:
    assert prepare_accept_content(None) is None
    assert prepare_accept_content([]) == set()
    assert prepare_accept_content("json") == {JSON}
    assert prepare_accept_content(["json", YAML, "x/y"]) == {JSON, YAML, "x/y"}
    assert prepare_accept_content(["mine"], {"mine": "x/mine"}) == {"x/mine"}
    with pytest.raises(SerializerNotInstalled, match="nope"):
        prepare_accept_content(["json", "nope"])


# -- registering -----------------------------------------------------------------------


@pytest.mark.usefixtures("pristine")
def test_a_registered_serializer_writes_and_reads() -> None:
    register("upper", str.upper, lambda body: ("read", body), "application/x-upper", "us-ascii")
    assert dumps("text", "upper") == ("application/x-upper", "us-ascii", "TEXT")
    assert loads(b"x", "application/x-upper", "us-ascii") == ("read", b"x")
    assert registry._encoders["upper"] == ("application/x-upper", "us-ascii", str.upper)
    assert registry.name_to_type["upper"] == "application/x-upper"
    assert registry.type_to_name["application/x-upper"] == "upper"
    unregister("upper")
    with pytest.raises(SerializerNotInstalled, match="upper"):
        dumps("text", "upper")
    assert loads(b"x", "application/x-upper", "us-ascii") == "x"
    with pytest.raises(SerializerNotInstalled, match="upper"):
        unregister("upper")


@pytest.mark.usefixtures("pristine")
def test_a_serializer_may_only_write_or_only_read() -> None:
    register("writes", str, None, "application/x-w")
    assert dumps(1, "writes")[2] == "1"
    assert loads(b"x", "application/x-w", "utf-8") == "x"
    register("reads", None, bytes, "application/x-r")
    assert loads(b"x", "application/x-r", "utf-8") == b"x"
    with pytest.raises(SerializerNotInstalled, match="reads"):
        dumps(1, "reads")


@pytest.mark.usefixtures("pristine")
def test_another_way_to_write_a_content_type_leaves_its_reader_alone() -> None:
    register("compact", lambda body: "{}", None, JSON)
    assert registry.type_to_name[JSON] == "json"
    unregister("compact")
    assert loads('{"a": 1}', JSON, "utf-8") == {"a": 1}


@pytest.mark.usefixtures("pristine")
def test_the_default_serializer_can_be_set() -> None:
    registry._set_default_serializer("pickle")
    assert dumps([1]) == (PICKLE, "binary", pickle.dumps([1], 4))
    registry._set_default_serializer("json")
    register("json", lambda body: "mine", None, JSON)
    assert dumps([1])[2] == "mine"
    with pytest.raises(SerializerNotInstalled, match="nope"):
        registry._set_default_serializer("nope")


@pytest.mark.usefixtures("pristine")
def test_errors_of_a_serializer_are_typed_and_chained() -> None:
    def fail(body: Any) -> Any:
        raise Marked("the reason")

    def fail_typed(body: Any) -> Any:
        raise EncodeError("its own")

    def stop(body: Any) -> Any:
        raise KeyboardInterrupt

    register("fails", fail, fail, "application/x-fails")
    with pytest.raises(EncodeError, match="the reason") as encoding:
        dumps(1, "fails")
    with pytest.raises(DecodeError, match="the reason") as decoding:
        loads(b"1", "application/x-fails", "utf-8")
    assert isinstance(encoding.value.__cause__, Marked)
    assert isinstance(decoding.value.__cause__, Marked)
    register("typed", fail_typed, None, "application/x-typed")
    with pytest.raises(EncodeError, match=r"^its own$"):
        dumps(1, "typed")
    register("stops", stop, stop, "application/x-stops")
    with pytest.raises(KeyboardInterrupt):
        dumps(1, "stops")
    with pytest.raises(KeyboardInterrupt):
        loads(b"1", "application/x-stops", "utf-8")


@pytest.mark.usefixtures("pristine")
def test_a_plugin_is_asked_for_an_unknown_name_once(plugin_system: SimpleNamespace) -> None:
    plugin_system.serializers["reversed"] = SimpleNamespace(
        name="reversed",
        encoder=lambda body: body[::-1],
        decoder=lambda body: body[::-1],
        content_type="application/x-reversed",
        content_encoding="binary",
    )
    assert dumps(b"ab", "reversed") == ("application/x-reversed", "binary", b"ba")
    assert dumps(b"ab", "reversed")[2] == b"ba"
    assert loads(b"ba", "application/x-reversed", "binary") == b"ab"
    assert plugin_system.asked == ["reversed"]


@pytest.mark.usefixtures("pristine")
def test_a_plugin_is_asked_for_an_unknown_content_type(plugin_system: SimpleNamespace) -> None:
    plugin_system.serializers["other"] = SimpleNamespace(
        name="other",
        encoder=str,
        decoder=lambda body: "decoded",
        content_type="application/x-other",
        content_encoding="utf-8",
    )
    accept = prepare_accept_content(["other"])
    assert accept == {"application/x-other"}
    assert loads(b"x", "application/x-other", "utf-8", accept=accept) == "decoded"


@pytest.mark.usefixtures("pristine")
def test_that_nobody_reads_a_content_type_is_remembered_until_plugins_change(
    plugin_system: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert loads(b"x", "application/x-late", "utf-8") == "x"
    assert plugin_system.asked == ["application/x-late"]
    plugin_system.serializers["late"] = SimpleNamespace(
        name="late",
        encoder=str,
        decoder=lambda body: "decoded",
        content_type="application/x-late",
        content_encoding="utf-8",
    )
    monkeypatch.setattr("kombu.plugins.changes", object())
    assert loads(b"x", "application/x-late", "utf-8") == "decoded"


def test_no_more_than_so_many_unknown_content_types_are_remembered() -> None:
    for number in range(3000):
        loads(b"x", f"application/x-{number}", "utf-8")
    assert len(registry._unreadable) <= 1001


def test_plugins_are_not_asked_for_plain_text_and_data(plugin_system: SimpleNamespace) -> None:
    for content_type in ("text/plain", "application/data", "application/text", None):
        loads(b"x", content_type, "utf-8")
    dumps("x")
    dumps({}, "json")
    assert plugin_system.asked == []


# -- documented odds and ends ----------------------------------------------------------


def test_pickles_are_read_from_bytes_of_every_kind() -> None:
    body = pickle.dumps({"a": 1})
    for form in (body, bytearray(body), memoryview(body)):
        assert serialization.unpickle(form) == {"a": 1}
        assert serialization.pickle_loads(form) == {"a": 1}
    assert serialization.pickle_loads(body, load=lambda file: file.read(1)) == b"\x80"
    assert serialization.unpickle(pickle.dumps([1], 0).decode()) == [1]


def test_documented_names() -> None:
    assert serialization.pickle is pickle
    assert serialization.parenthesize_alias("a", "b") == "a (b)"
    with pytest.raises(AttributeError, match="nothing"):
        serialization.nothing
    for name in ("register_json", "register_pickle", "register_yaml", "register_msgpack"):
        getattr(serialization, name)()
    assert set(registry.type_to_name) == {JSON, PICKLE, YAML, MSGPACK}
