"""Two hosts and the cable between them: network namespaces joined by a pair of veth(4), which only root can make."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from attrs import frozen


@frozen
class OneHost:
    """A namespace, by the process that holds it."""

    pid: int
    address: str
    device: str

    @property
    def inside(self) -> tuple[str, ...]:
        """The words before a command that run it there."""
        return ("nsenter", f"--target={self.pid}", "--net")

    def ip(self, *words: str) -> None:
        """Change its network."""
        subprocess.run([*self.inside, "ip", *words], check=True, capture_output=True)


@contextmanager
def two_hosts() -> Iterator[tuple[OneHost, OneHost]]:
    """10.9.0.1 and 10.9.0.2, who reach each other and nobody else."""
    if os.geteuid() != 0:
        pytest.skip("only root joins two namespaces")
    with ExitStack() as stack:
        hosts = tuple(
            OneHost(stack.enter_context(_namespace()), f"10.9.0.{number}", f"herd{number}") for number in (1, 2)
        )
        first, second = hosts
        pair = ["ip", "link", "add", first.device, "netns", str(first.pid), "type", "veth"]
        peer = ["peer", "name", second.device, "netns", str(second.pid)]
        subprocess.run([*pair, *peer], check=True, capture_output=True)
        for host in hosts:
            host.ip("address", "add", f"{host.address}/24", "dev", host.device)
            host.ip("link", "set", host.device, "up")
        yield first, second


@contextmanager
def _namespace() -> Iterator[int]:
    holder = subprocess.Popen(
        ["unshare", "--net", "/bin/sh", "-c", "ip link set lo up && echo ready && exec cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    if holder.stdout.readline() != "ready\n":
        _, told = holder.communicate()
        pytest.skip(f"no network namespace can be made here: {told}")
    try:
        yield holder.pid
    finally:
        # The namespace goes with the last process in it.
        holder.communicate()
