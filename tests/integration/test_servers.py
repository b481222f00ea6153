"""The servers of the tests can be reached from this machine alone."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from tests import servers

pytestmark = pytest.mark.integration
LISTENING = "0A"  # the state in /proc/net/tcp


def listening() -> dict[int, set[str]]:
    """Every port of this machine that is listened on, with the addresses."""
    ports: dict[int, set[str]] = {}
    for name in ("tcp", "tcp6"):
        lines = Path("/proc/net", name).read_text().splitlines()[1:]
        for address, state in (line.split()[1:4:2] for line in lines):
            host, _, port = address.partition(":")
            if state == LISTENING:
                ports.setdefault(int(port, 16), set()).add(readable(host))
    return ports


def readable(host: str) -> str:
    """An address as the kernel prints it: words of four bytes, the lowest first."""
    words = [bytes.fromhex(host[start : start + 8])[::-1] for start in range(0, len(host), 8)]
    return str(ip_address(b"".join(words)))


def ports_of_rabbitmq(directory: Path) -> dict[str, int]:
    """The ports in the environment of the RabbitMQ that works in a directory."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            lines = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # another's, or ended meanwhile
            continue
        variables = dict(line.partition("=")[::2] for line in lines)
        if variables.get("RABBITMQ_CONFIG_FILE") == str(directory / "rabbitmq.conf"):
            return {name: int(variables[name]) for name in ("RABBITMQ_DIST_PORT", "ERL_EPMD_PORT")}
    pytest.fail(f"no RabbitMQ works in {directory}")


def test_every_port_of_the_broker_is_on_loopback(running: dict[str, str]) -> None:
    ports = ports_of_rabbitmq(Path(running[servers.CA_FILE]).parent)
    addresses = listening()
    for name, port in ports.items():
        assert addresses[port], name
        assert all(ip_address(address).is_loopback for address in addresses[port]), name
