"""docs/write-a-transport.md, executed: from an empty folder to a message through the wheel."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from kombu.testing.fixtures import need
from kombu.testing.servers import Beanstalkd

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "write-a-transport.md"
EXAMPLE = ROOT / "examples" / "plugins" / "kombu-beanstalkd"
_FILE = re.compile(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)

sys.path.append(str(ROOT / "tests" / "packaging"))

from wheels import Environment, Wheelhouse  # noqa: E402


def files() -> dict[str, str]:
    return dict(_FILE.findall(PAGE.read_text(encoding="utf-8")))


def test_the_page_has_every_file_of_the_example() -> None:
    wanted = [EXAMPLE / "pyproject.toml", EXAMPLE / "README.md", *EXAMPLE.glob("src/**/*.py")]
    assert files() == {
        path.relative_to(EXAMPLE).as_posix(): path.read_text(encoding="utf-8") for path in wanted
    }


@pytest.mark.packaging
def test_the_page_makes_a_wheel_that_carries_a_message(tmp_path: Path) -> None:
    need(Beanstalkd)
    uv = shutil.which("uv") or pytest.skip("uv is not installed: pip install uv")
    for name, text in files().items():
        path = tmp_path / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    house = Wheelhouse(uv, tmp_path / "wheels")
    house.build(ROOT, "--package", "kombu", "--no-sources")
    house.build(tmp_path / "new")
    environment = Environment(house, tmp_path / "environment", with_pip=False)
    environment.install("kombu>=6", "kombu-beanstalkd")
    (program,) = re.findall(
        r"^```python\n(import os\n.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    with Beanstalkd() as server:
        url = f"beanstalk://{server.host}:{server.port}"
        code = f"import os\nos.environ['BEANSTALK_URL'] = {url!r}\n{program}"
        assert environment.run(code) == "{'hello': 'world'}"
