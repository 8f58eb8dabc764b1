"""Certificates handed to Java as what it shall trust.

To be imported by who needs it, when it is needed: `cryptography` takes long to load.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from herd_services.jitsi.java import TRUST_PASSWORD


def trust_store(certificates: bytes) -> bytes:
    """A key store (PKCS #12) of what Java shall trust, all of these (PEM); no two are the same. Raises ValueError."""
    entries = [
        pkcs12.PKCS12Certificate(certificate, f"herdd-{number}".encode())
        for number, certificate in enumerate(x509.load_pem_x509_certificates(certificates), 1)
    ]
    return pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(TRUST_PASSWORD.encode()))


def trusts(store: bytes, certificates: bytes) -> bool:
    """Whether a key store has just these certificates (PEM), so that it can stay as it is. Raises ValueError."""
    wanted = set(x509.load_pem_x509_certificates(certificates))
    try:
        found = pkcs12.load_pkcs12(store, TRUST_PASSWORD.encode())
    except ValueError:
        return False
    return {each.certificate for each in found.additional_certs} == wanted
