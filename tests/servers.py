"""RabbitMQ and PostgreSQL for the tests: as given, else Debian's, on loopback and free ports.

    python -m tests.servers -- pytest ...

starts what is not given, exports KALENDER_TEST_AMQP_URL, KALENDER_TEST_AMQPS_URL,
KALENDER_TEST_CA_FILE and KALENDER_TEST_DATABASE_URL, runs the command and ends by process id
whatever it started. Nothing collides with servers that run already.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

AMQP, AMQPS = "KALENDER_TEST_AMQP_URL", "KALENDER_TEST_AMQPS_URL"
CA_FILE, DATABASE = "KALENDER_TEST_CA_FILE", "KALENDER_TEST_DATABASE_URL"
TLS_NAME = "mq.test.example"
PATIENCE = 90.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait, or fail in words."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.1)):
        if ready():
            return
        pause.wait(0.1)
    raise RuntimeError(f"{what} did not start; use make test, which installs it")


def _owner(name: str) -> list[str]:
    """How to run as a server's own user: PostgreSQL refuses root."""
    return ["runuser", "-u", name, "--"] if os.geteuid() == 0 else []


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# -- PostgreSQL -----------------------------------------------------------------------------------

QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL of our own; yield its URL, ending in a database of that name."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        raise RuntimeError("there is no PostgreSQL: use make test, which installs it")
    directory = Path(tempfile.mkdtemp(prefix="kalender-pg-"))
    port = free_port()
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        data, user = directory / "data", _owner("postgres")
        make = [found[-1] / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*user, *map(str, make), "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/"
        )
        options = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={data}"]
        given = [word for option in (*options, *QUICK) for word in ("-c", option)]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [*user, str(found[-1] / "postgres"), "-D", str(data), *given],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        try:
            ready = [str(found[-1] / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait_until(lambda: not subprocess.run(ready, check=False).returncode, "PostgreSQL")
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        finally:
            os.killpg(process.pid, signal.SIGINT)
            _end(process, signal.SIGINT)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


# -- RabbitMQ -------------------------------------------------------------------------------------


@contextmanager
def rabbitmq() -> Iterator[dict[str, str]]:
    """Run a RabbitMQ of our own, plain and with TLS; yield the variables that name it."""
    program = shutil.which("rabbitmq-server") or "/usr/sbin/rabbitmq-server"
    if not Path(program).exists():
        raise RuntimeError("there is no RabbitMQ: use make test, which installs it")
    directory = Path(tempfile.mkdtemp(prefix="kalender-mq-"))
    plain, tls, distribution, epmd = (free_port() for _ in range(4))
    ca_file = make_certificates(directory)
    (directory / "rabbitmq.conf").write_text(_RABBITMQ.format(plain=plain, tls=tls, at=directory))
    (directory / "enabled_plugins").write_text("[].\n")
    directory.chmod(0o755)
    environment = {
        **os.environ,
        "HOME": str(directory),
        "RABBITMQ_HOME": str(directory),
        "RABBITMQ_NODENAME": f"kalender{plain}@localhost",
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "config"),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    if os.geteuid() == 0:
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, "rabbitmq")
    with (directory / "out").open("wb") as out:
        process = subprocess.Popen(
            [*_owner("rabbitmq"), _bare(program)],
            env=environment,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd="/",
        )
    try:
        wait_until(lambda: _answers(plain) and _answers(tls), "RabbitMQ")
        yield {
            AMQP: f"amqp://guest:guest@127.0.0.1:{plain}/%2F",
            AMQPS: f"amqps://guest:guest@127.0.0.1:{tls}/%2F",
            CA_FILE: str(ca_file),
        }
    finally:
        _end(process, signal.SIGTERM)
        _kill_epmd(epmd)
        shutil.rmtree(directory, ignore_errors=True)


def _bare(program: str) -> str:
    """Debian wraps the server in a script that insists on root and its own user."""
    bare = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return str(bare) if bare.exists() else program


def _kill_epmd(port: int) -> None:
    """The port mapper that came with our node listens on a port of its own."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
                name = (entry / "comm").read_text().strip()
            except OSError:
                continue
            if name == "epmd" and f"ERL_EPMD_PORT={port}\0".encode() in environment:
                os.kill(int(entry.name), signal.SIGTERM)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return not probe.connect_ex(("127.0.0.1", port))


_RABBITMQ = """\
listeners.tcp.1 = 127.0.0.1:{plain}
listeners.ssl.1 = 127.0.0.1:{tls}
ssl_options.cacertfile = {at}/ca.pem
ssl_options.certfile = {at}/server.pem
ssl_options.keyfile = {at}/server.key
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
log.console = false
vm_memory_high_watermark.relative = 0.3
disk_free_limit.absolute = 50MB
"""


def make_certificates(directory: Path) -> Path:
    """Write ca.pem, server.pem and server.key; return the CA's path."""
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Kalender test CA")])
    ca = _certificate(ca_name, ca_name, ca_key, ca_key, ca=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, TLS_NAME)])
    server = _certificate(name, ca_name, server_key, ca_key, ca=False)
    pem = serialization.Encoding.PEM
    (directory / "ca.pem").write_bytes(ca.public_bytes(pem))
    (directory / "server.pem").write_bytes(server.public_bytes(pem))
    plain = serialization.NoEncryption()
    key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (directory / "server.key").write_bytes(key)
    return directory / "ca.pem"


def _certificate(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)  # noqa: TID251
    names: list[x509.GeneralName] = [x509.DNSName(TLS_NAME), x509.DNSName("localhost")]
    names.append(x509.IPAddress(ip_address("127.0.0.1")))
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    issuer_id = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


# -- both -----------------------------------------------------------------------------------------


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Start what the environment does not name; yield all variables."""
    with ExitStack() as stack:
        found: dict[str, str] = {}
        if DATABASE not in os.environ:
            found[DATABASE] = stack.enter_context(postgresql())
        if AMQP not in os.environ:
            found |= stack.enter_context(rabbitmq())
        yield found


def main() -> int:
    """Run a command with the servers up."""
    command = sys.argv[sys.argv.index("--") + 1 :]
    with servers() as found:
        process = subprocess.Popen(command, env={**os.environ, **found})
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
