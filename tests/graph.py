"""The sandbox's Microsoft Graph, as the adapter's settings name it, and what proves who we are."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from kalender.config.backends import EwsApplicationSettings, GraphSettings
from kalender.sandbox.server import Endpoints


def _application(endpoints: Endpoints, options: dict[str, object]) -> dict[str, object]:
    return {
        "tenant": "uni.example",
        "client_id": "kalender",
        "client_secret": "kalender",
        "login_url": endpoints.login,
        "ca_file": endpoints.login_ca,
        "timeout": 5,
        **options,
    }


def graph_settings(endpoints: Endpoints, **options: object) -> GraphSettings:
    """Return the settings of a backend on the Graph of a sandbox."""
    given = _application(endpoints, {"base_url": endpoints.graph, **options})
    return GraphSettings.model_validate(given)


def application_settings(endpoints: Endpoints, **options: object) -> EwsApplicationSettings:
    """Return the settings of a backend on the EWS of a sandbox, which is asked as an application."""
    given = {"endpoint": endpoints.exchange, "auth": "oauth2", **options}
    return EwsApplicationSettings.model_validate(_application(endpoints, given))


def self_signed(
    directory: Path, name: str, lasts: timedelta = timedelta(days=3650)
) -> tuple[Path, Path]:
    """Make a certificate, which lasts so long from 2025 on, and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime(2025, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + lasts)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / f"{name}.pem", directory / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file
