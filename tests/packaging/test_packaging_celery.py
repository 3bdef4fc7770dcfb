"""Celery's own requirements keep this Kombu."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from wheels import call

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheels import Environment, Wheelhouse

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

#: What pip says when the index is out of reach.
_OFFLINE = re.compile(r"NewConnectionError|ConnectTimeout|name resolution|ProxyError")


def test_installing_celery_keeps_this_kombu(
    new_environment: Callable[..., Environment], wheelhouse: Wheelhouse
) -> None:
    environment = new_environment("kombu>=6", with_pip=True)
    before = environment.distributions()["kombu"]
    constraints = environment.folder / "constraints.txt"
    constraints.write_text("kombu>=6\n")
    try:
        call(
            [
                *(environment.python, "-m", "pip", "install", "--quiet", "celery[redis]>=5.6"),
                *("--find-links", wheelhouse.folder, "--constraint", constraints),
            ],
            environment.folder,
        )
    except AssertionError as error:
        if _OFFLINE.search(str(error)) and not os.environ.get("CI"):
            pytest.skip("celery is to come from the package index, which is out of reach")
        raise
    installed = environment.distributions()
    assert installed["kombu"] == before
    assert before.startswith("6.")
    assert "celery" in installed
    code = """if True:
        import celery, kombu, kombu.plugins
        from importlib.metadata import requires
        required = [line for line in requires("celery") if line.startswith("kombu")]
        print(kombu.plugins.PLUGIN_API, bool(required))
        """
    assert environment.run(code) == "1 True"
