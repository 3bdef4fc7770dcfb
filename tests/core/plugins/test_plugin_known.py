from __future__ import annotations

import re
from importlib import metadata

import pytest

from kombu.plugins import install_command
from kombu.plugins.known import KNOWN, find_known, transport_not_found
from kombu.transport import TRANSPORT_ALIASES


def test_every_documented_alias_is_known() -> None:
    assert set(TRANSPORT_ALIASES) <= set(KNOWN)
    assert len(TRANSPORT_ALIASES) == 27


def test_the_extras_of_the_core_install_what_is_said_to_be_written() -> None:
    requirements = metadata.requires("kombu") or []
    extras = set(metadata.metadata("kombu").get_all("Provides-Extra") or [])
    checked = 0
    for known in KNOWN.values():
        if known.extra is None:
            assert not known.written
            continue
        assert known.extra in extras
        pulled = [
            line
            for line in requirements
            if re.match(rf"{known.distribution}\b", line)
            and f"extra == '{known.extra}'" in line.replace('"', "'")
        ]
        assert bool(pulled) == known.written, known
        checked += 1
    assert checked > 10


def test_a_written_plugin_that_is_missing_comes_with_its_command() -> None:
    assert str(transport_not_found("memory", [])) == (
        "No installed plugin provides the transport 'memory'. "
        'Install it: pip install "kombu[memory]>=6"'
    )


def test_an_unwritten_plugin_says_so_and_what_there_is() -> None:
    text = str(transport_not_found("amqp", []))
    assert "kombu-amqp, which the extra kombu[amqp] will install, is not written yet." in text
    assert "No transport is installed. Written so far: " in text
    assert 'memory (pip install "kombu[memory]>=6")' in text
    assert "Installed transports: memory." in str(transport_not_found("redis+socket", ["memory"]))


@pytest.mark.parametrize(
    ("scheme", "nearest"),
    [
        ("memori", "memory"),
        ("MEMORY", "memory"),
        ("Redis+socket", "redis"),
        ("rabbitmq", "amqp"),
        ("zookeper", "zookeeper"),
    ],
)
def test_the_nearest_name_is_offered(scheme: str, nearest: str) -> None:
    assert f"Did you mean {nearest!r}?" in str(transport_not_found(scheme, []))


def test_the_nearest_name_comes_with_its_command_unless_it_is_installed() -> None:
    assert install_command("memory") in str(transport_not_found("memori", []))
    assert install_command("memory") not in str(transport_not_found("memori", ["memory"]))


def test_a_name_like_nothing_gets_no_guess() -> None:
    text = str(transport_not_found("qwxz", ["memory"]))
    assert "Did you mean" not in text
    assert "transport='package.module:Class'" in text


def test_a_plan_is_found_by_what_stands_before_the_plus() -> None:
    known = find_known("sqla+mysql")
    assert known is not None
    assert known.distribution == "kombu-sql"
    assert find_known("nobody+x") is None


def test_a_broker_without_a_plan_names_the_one_that_speaks_to_it() -> None:
    assert "'amqp' speaks to the same brokers" in str(transport_not_found("librabbitmq", []))
