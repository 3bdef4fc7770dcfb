from __future__ import annotations

import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kombu.utils.url import (
    _parse_url,
    as_url,
    maybe_sanitize_url,
    parse_ssl_cert_reqs,
    parse_url,
    sanitize_url,
    url_to_parts,
    urlparse,
    urlparts,
)

# What kombu 5.7.0 answers.
PARTS: dict[str, tuple[Any, ...]] = {
    "amqp://": ("amqp", None, None, None, None, None, {}),
    "amqp://localhost": ("amqp", "localhost", None, None, None, None, {}),
    "amqp://guest:guest@localhost:5672//": ("amqp", "localhost", 5672, "guest", "guest", "/", {}),
    "amqp://u:p@h:5672/vh": ("amqp", "h", 5672, "u", "p", "vh", {}),
    "amqp://u%40x:p%3Aq@h/%2Fvh": ("amqp", "h", None, "u@x", "p:q", "/vh", {}),
    "amqp://u:p@q@h": ("amqp", "h", None, "u", "p@q", None, {}),
    "amqp://u:p:q@h": ("amqp", "h", None, "u", "p:q", None, {}),
    "amqp://u:p+q@h": ("amqp", "h", None, "u", "p+q", None, {}),
    "amqp://u:@h": ("amqp", "h", None, "u", None, None, {}),
    "amqp://:@h": ("amqp", "h", None, None, None, None, {}),
    "amqp://@h": ("amqp", "h", None, None, None, None, {}),
    "amqp://h:": ("amqp", "h", None, None, None, None, {}),
    "amqp://h:0": ("amqp", "h", 0, None, None, None, {}),
    "amqp:///vh": ("amqp", None, None, None, None, "vh", {}),
    "AMQP://HoSt": ("amqp", "host", None, None, None, None, {}),
    # 5.7 drops what follows a semicolon, which no other part of a path means anything by.
    "amqp://h/a;b": ("amqp", "h", None, None, None, "a;b", {}),
    "amqp://h/a/b?x=1&x=2&y=": ("amqp", "h", None, None, None, "a/b", {"x": "2"}),
    "amqp://h/a#fragment": ("amqp", "h", None, None, None, "a", {}),
    "amqp://h/%2F%2f": ("amqp", "h", None, None, None, "//", {}),
    "amqp://h/?a=b%20c+d": ("amqp", "h", None, None, None, None, {"a": "b c d"}),
    "amqp://h/v%20h": ("amqp", "h", None, None, None, "v h", {}),
    "amqp://[::1]:5672//": ("amqp", "::1", 5672, None, None, "/", {}),
    "amqp://u:p@[fe80::1]/v": ("amqp", "fe80::1", None, "u", "p", "v", {}),
    "amqp://\u00fcser:p\u00e6ss@h/\u00fc": (
        "amqp",
        "h",
        None,
        "\u00fcser",
        "p\u00e6ss",
        "\u00fc",
        {},
    ),
    "amqp://%zz@h": ("amqp", "h", None, "%zz", None, None, {}),
    "redis://:pw@h/1": ("redis", "h", None, None, "pw", "1", {}),
    "redis+socket:///tmp/r.sock?virtual_host=3": (
        *("redis+socket", None, None, None, None, "tmp/r.sock"),
        {"virtual_host": "3"},
    ),
    "redis+socket://:pass@/tmp/r.sock": (
        *("redis+socket", None, None, None, "pass", "tmp/r.sock"),
        {},
    ),
    "sqla+mysql://u:p@h/db": ("sqla+mysql", "h", None, "u", "p", "db", {}),
    "sqla+mysql+pymysql://u:p@h/db?charset=utf8": (
        *("sqla+mysql+pymysql", "h", None, "u", "p", "db"),
        {"charset": "utf8"},
    ),
    "sqla+sqlite:///x.db": ("sqla+sqlite", None, None, None, None, "x.db", {}),
    "sqs://AK%2F:SE%2F@": ("sqs", None, None, "AK/", "SE/", None, {}),
    "azureservicebus://pol:k%2Fe+y=@ns": (
        *("azureservicebus", "ns", None, "pol", "k/e+y=", None),
        {},
    ),
    "azurestoragequeues://DefaultAzureCredential@https://acc.queue.core.windows.net": (
        *("azurestoragequeues", "https", None, "DefaultAzureCredential", None),
        *("/acc.queue.core.windows.net", {}),
    ),
}
MALFORMED = [
    "",
    "memory",
    "localhost:5672",
    "u:p@h",
    "/vh",
    "amqp:h/vh",
    "://h",
    "+amqp://h",
    "1amqp://h",
    "amqp://h:abc",
    "amqp://h:99999",
    "amqp://h:-1",
    "amqp://h:\u0663",
    "amqp://[::1",
    "amqp://u:pass/word@h/v",
    "amqp://u:pass#word@h/v",
    "amqp://u:pass?word@h/v",
    "amqp://u:pass[word@h/v",
    "mongodb://a:1,b:2/db",
]


@pytest.mark.parametrize("url", PARTS)
def test_a_url_is_taken_apart_as_by_kombu_5_7(url: str) -> None:
    parts = url_to_parts(url)
    assert parts == PARTS[url]
    assert isinstance(parts, urlparts)
    assert _parse_url(url) == parts


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_url_is_a_value_error_that_keeps_the_secrets(url: str) -> None:
    for function in (url_to_parts, parse_url, sanitize_url):
        with pytest.raises(ValueError, match="wanted scheme://") as caught:
            function(url)
        assert "pass" not in str(caught.value).replace("user:password", "").replace(
            "a password", ""
        )
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_url_becomes_the_arguments_of_a_connection() -> None:
    assert parse_url("amqp://u:p@h:5672/vh?heartbeat=5&confirm_publish=1") == {
        "transport": "amqp",
        "hostname": "h",
        "port": 5672,
        "userid": "u",
        "password": "p",
        "virtual_host": "vh",
        "heartbeat": "5",
        "confirm_publish": "1",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ssl_cert_reqs=required", {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
        ("ssl_cert_reqs=CERT_NONE", {"ssl_cert_reqs": ssl.CERT_NONE}),
        ("ssl_ca_certs=/a%20b&ssl_x=1", {"ssl_ca_certs": "/a b", "ssl_x": "1"}),
        ("ssl_check_hostname=False", {"ssl_check_hostname": False}),
        ("ssl_check_hostname=true", {"ssl_check_hostname": True}),
        ("ssl_check_hostname=0", {"ssl_check_hostname": True}),
    ],
)
def test_ssl_options_are_gathered(query: str, expected: dict[str, Any]) -> None:
    parts = parse_url(f"rediss://h/0?{query}&other=1")
    assert parts["ssl"] == expected
    assert parts["other"] == "1"
    assert not any(key.startswith("ssl_") for key in parts)


def test_without_ssl_options_there_is_no_ssl() -> None:
    assert "ssl" not in parse_url("redis://h/0?socket_timeout=5")


def test_a_parameter_may_name_a_part_that_the_url_leaves_out() -> None:
    assert parse_url("redis://h?virtual_host=3&port=7")["virtual_host"] == "3"
    assert parse_url("redis://h?virtual_host=3&port=7")["port"] == 7
    assert parse_url("redis+socket:///tmp/r.sock?virtual_host=3")["virtual_host"] == "3"
    for url in ("redis://h/1?virtual_host=3", "amqp://u@h?userid=x", "amqp://h?transport=redis"):
        with pytest.raises(ValueError, match="twice"):
            parse_url(url)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("required", ssl.CERT_REQUIRED),
        ("CERT_REQUIRED", ssl.CERT_REQUIRED),
        ("optional", ssl.CERT_OPTIONAL),
        ("CERT_OPTIONAL", ssl.CERT_OPTIONAL),
        ("none", ssl.CERT_NONE),
        ("CERT_NONE", ssl.CERT_NONE),
    ],
)
def test_certificate_requirements_have_two_names(value: str, expected: ssl.VerifyMode) -> None:
    assert parse_ssl_cert_reqs(value) is expected


@pytest.mark.parametrize("value", ["REQUIRED", "x", ""])
def test_other_certificate_requirements_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"ssl_cert_reqs is .*: wanted 'required'"):
        parse_ssl_cert_reqs(value)


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (("amqp",), "amqp:///"),
        (("amqp", "h", 0), "amqp://h/"),
        (("amqp", "h", 5672, "", "p"), "amqp://:p@h:5672/"),
        (("amqp", "h", None, "u", None), "amqp://u@h/"),
        (("amqp", None, None, None, "p"), "amqp://:p@/"),
        (("amqp", "h", 1, "u/", "p@", "/v v", {"a": "b"}), "amqp://u%2F:p%40@h:1//v v"),
        (("amqp", "h", "5672", "u", "p", "//v"), "amqp://u:p@h:5672///v"),
        (("amqp", "::1", 5672), "amqp://[::1]:5672/"),
        (("amqp", "h", None, None, None, "a?b#c%20d;e"), "amqp://h/a%3Fb%23c%2520d%3Be"),
    ],
)
def test_a_url_is_built(arguments: tuple[Any, ...], url: str) -> None:
    assert as_url(*arguments) == url


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
PARTS_STRATEGY = st.builds(
    urlparts,
    st.from_regex(r"[a-z][a-z0-9.-]{0,8}(\+[a-z]{1,8}){0,2}", fullmatch=True),
    st.none() | HOSTS | st.ip_addresses(v=6).map(str),
    st.none() | st.integers(1, 65535),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    st.just({}),
)


@given(PARTS_STRATEGY)
def test_what_is_built_is_taken_apart_again(parts: urlparts) -> None:
    assert url_to_parts(as_url(*parts)) == parts


@given(PARTS_STRATEGY.filter(lambda parts: parts.password and len(parts.password) > 4))
def test_a_sanitized_url_differs_in_nothing_but_the_password(parts: urlparts) -> None:
    sanitized = sanitize_url(as_url(*parts))
    assert url_to_parts(sanitized) == parts._replace(password="**")
    assert maybe_sanitize_url(as_url(*parts)) == sanitized


@given(st.text())
def test_no_text_makes_sanitizing_raise(text: str) -> None:
    for url in (text, f"amqp://{text}", f"amqp://u:{text}@h"):
        assert isinstance(maybe_sanitize_url(url), str)


@pytest.mark.parametrize(
    ("url", "sanitized"),
    [
        ("amqp://u:secret@h/v?q=secret", "amqp://u:**@h/v"),
        ("amqp://u:secret@h;redis://:secret@i/1", "amqp://u:**@h/;redis://:**@i/1"),
        ("amqp://u:secret/@h:x", "amqp://**"),
        ("not a url", "not a url"),
        (None, None),
        (5, 5),
        (b"amqp://u:secret@h", b"amqp://u:secret@h"),
    ],
)
def test_secrets_are_masked(url: Any, sanitized: Any) -> None:
    assert maybe_sanitize_url(url) == sanitized


def test_the_mask_can_be_chosen() -> None:
    assert sanitize_url("amqp://u:p@h/v", mask="X") == "amqp://u:X@h/v"
    assert sanitize_url("amqp://u:p@h/v", mask=None) == "amqp://u:@h/v"


def test_the_parser_of_the_standard_library_is_offered() -> None:
    assert urlparse("http://h/x").path == "/x"
