"""The signature of a client assertion, held to the client's certificate."""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def is_signed(signed: bytes, signature: bytes, header: Mapping[str, Any], pem: str) -> bool:
    """Tell whether the header names this certificate and its key made the signature."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    thumbprints = {
        "x5t": certificate.fingerprint(hashes.SHA1()),  # noqa: S303 - as clients send it
        "x5t#S256": certificate.fingerprint(hashes.SHA256()),
    }
    if not any(
        base64.urlsafe_b64encode(thumbprint).decode().rstrip("=")
        == str(header.get(name)).rstrip("=")
        for name, thumbprint in thumbprints.items()
    ):
        return False
    key, digest = certificate.public_key(), hashes.SHA256()
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    scheme = pss if header.get("alg") == "PS256" else padding.PKCS1v15()
    try:
        key.verify(signature, signed, scheme, digest)
    except InvalidSignature:
        return False
    return True
