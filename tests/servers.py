"""RabbitMQ and PostgreSQL for the tests: as given, else Debian's, on loopback and free ports.

    python -m tests.servers -- pytest ...

starts what is not given, exports KALENDER_TEST_AMQP_URL, KALENDER_TEST_AMQPS_URL,
KALENDER_TEST_CA_FILE and KALENDER_TEST_DATABASE_URL, runs the command and ends by process id
whatever it started. Ports, names and directories are its own: several may run at once. They are
in memory and forget; `--durable` before the `--` puts them on disk and lets them sync, to measure.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
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
PATIENCE = 90.0  # seconds
ROOM = 1 << 30  # bytes of memory for a server's files


class NoServerError(Exception):
    """A server for the tests is not there, or did not start."""


def free_port() -> int:
    """Return a port nobody listens on, and no outgoing connection is given before we listen."""
    ports = range(15000, 32000)  # below Linux' ip_local_port_range
    for port in random.sample(ports, 100):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                continue
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NoServerError("there is no free port")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return not probe.connect_ex(("127.0.0.1", port))


@contextmanager
def _directory(name: str, *, durable: bool) -> Iterator[Path]:
    """A server's temporary directory, removed with all the server put there."""
    memory = Path("/dev/shm")  # noqa: S108
    roomy = not durable and memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    path = Path(tempfile.mkdtemp(prefix=f"kalender-{name}-", dir=memory if roomy else None))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _as(user: str, dies_by: signal.Signals | None = None) -> list[str]:
    """How to run as a server's own user (PostgreSQL refuses root), and not to outlive us."""
    how = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *how, *(["--pdeathsig", dies_by.name[3:]] if dies_by else []), "--"]


@contextmanager
def _process(
    command: Sequence[object],
    ready: Callable[[], bool],
    *,
    log: Path,
    end: signal.Signals,
    environment: dict[str, str] | None = None,
) -> Iterator[None]:
    """Run a server from when it is ready, until it is no longer wanted."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # an interrupt on the terminal is not theirs
            cwd="/",
        )
    try:
        _wait(process, ready, log)
        yield
    finally:
        process.send_signal(end)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if process.poll() is not None:
            break
        if ready():
            return
        pause.wait(0.05)
    said = log.read_text(errors="replace")[-2000:]
    raise NoServerError(f"{log.stem} did not start; it said:\n{said}")


# -- PostgreSQL -----------------------------------------------------------------------------------

OURS = ("max_connections=200", "timezone=UTC")
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def postgresql(*, durable: bool = False) -> Iterator[dict[str, str]]:
    """Run a PostgreSQL of our own; yield the variable that names it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        raise NoServerError("there is no PostgreSQL: use make test, which installs it")
    with _directory("postgresql", durable=durable) as directory:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        data, port = directory / "data", free_port()
        _initialise(found[-1], data)
        options = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={data}"]
        options += [*OURS, *(() if durable else FORGETFUL)]
        given = [word for option in options for word in ("-c", option)]
        ready = [str(found[-1] / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        with _process(
            [*_as("postgres", signal.SIGINT), found[-1] / "postgres", "-D", data, *given],
            lambda: not subprocess.run(ready, check=False).returncode,
            log=directory / "postgresql.log",
            end=signal.SIGINT,
        ):
            yield {DATABASE: f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"}


def _initialise(programs: Path, data: Path) -> None:
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    command = [*_as("postgres"), str(programs / "initdb"), "-D", str(data), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


# -- RabbitMQ -------------------------------------------------------------------------------------


@contextmanager
def rabbitmq(*, durable: bool = False) -> Iterator[dict[str, str]]:
    """Run a RabbitMQ of our own, plain and with TLS; yield the variables that name it."""
    program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's wrapper writes to /var
    if not program.exists():
        raise NoServerError("there is no RabbitMQ: use make test, which installs it")
    with _directory("rabbitmq", durable=durable) as directory:
        plain, tls, distribution, epmd = (free_port() for _ in range(4))
        make_certificates(directory)
        (directory / "rabbitmq.conf").write_text(
            _RABBITMQ.format(plain=plain, tls=tls, at=directory)
        )
        (directory / "enabled_plugins").write_text("[].\n")
        environment = _rabbitmq_environment(directory, plain, distribution, epmd)
        if os.geteuid() == 0:
            for path in (directory, *directory.iterdir()):
                shutil.chown(path, "rabbitmq")
        prefix = _as("rabbitmq", signal.SIGKILL)  # nothing in it outlives the tests
        with (
            _process(
                [*prefix, "epmd", "-address", "127.0.0.1", "-port", epmd],
                lambda: _answers(epmd),
                log=directory / "epmd.log",
                end=signal.SIGKILL,
            ),
            _process(
                [*prefix, program],
                lambda: _answers(plain) and _answers(tls),
                log=directory / "rabbitmq.log",
                end=signal.SIGKILL,
                environment=environment,
            ),
        ):
            yield {
                AMQP: f"amqp://guest:guest@127.0.0.1:{plain}/%2F",
                AMQPS: f"amqps://guest:guest@127.0.0.1:{tls}/%2F",
                CA_FILE: str(directory / "ca.pem"),
            }


def _rabbitmq_environment(
    directory: Path, port: int, distribution: int, epmd: int
) -> dict[str, str]:
    return {
        "HOME": str(directory),
        "RABBITMQ_HOME": str(directory),
        "RABBITMQ_NODENAME": f"kalender{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "config"),
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the server: one process to end
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP_SECONDS": "0",
    }


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
def servers(*, durable: bool = False) -> Iterator[dict[str, str]]:
    """Start what the environment does not name; yield all variables."""
    names = (AMQP, AMQPS, CA_FILE, DATABASE)
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    with ExitStack() as stack:
        if DATABASE not in found:
            found |= stack.enter_context(postgresql(durable=durable))
        if AMQP not in found:
            found |= stack.enter_context(rabbitmq(durable=durable))
        yield found


def main() -> int:
    """Run a command with the servers up; its exit code is ours."""
    split = sys.argv.index("--")
    command = sys.argv[split + 1 :]
    sys.stderr.write("starting the servers of the tests on loopback; about ten seconds ...\n")
    with servers(durable="--durable" in sys.argv[:split]) as found:
        process = subprocess.Popen(command, env={**os.environ, **found})
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: process.terminate())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command has it from the terminal too
        return process.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NoServerError as error:
        sys.exit(f"tests.servers: {error}")
