"""Certificates of servers: made and judged.

To be imported by who needs one, when it is needed: `cryptography` takes long to load.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Nobody but our own services knows the certificate, and they are told of it by file: its end protects nobody, and would
# stop every conference on some day that nobody thinks of.
_VALID = timedelta(days=3650)
# Bridges on other hosts may have a clock that is late.
_BEFORE = timedelta(days=1)
# A common name has 64 characters at most, a domain more: names are in the extension, where alone they are looked for.
_SUBJECT = "made by herdd"


def self_signed(names: Sequence[str], now: datetime) -> tuple[bytes, bytes]:
    """A new key (PKCS #8) and a certificate for all names, both PEM; to trust the certificate is to trust it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _SUBJECT)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - _BEFORE).not_valid_after(now + _VALID)
    for extension, is_critical in _extensions(names, key.public_key()):
        builder = builder.add_extension(extension, is_critical)
    certificate = builder.sign(key, hashes.SHA256())
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.public_bytes(Encoding.PEM),
    )


def _extensions(names: Sequence[str], key: ec.EllipticCurvePublicKey) -> list[tuple[x509.ExtensionType, bool]]:
    """A server's, and no authority's: nobody can make certificates of other servers with its key."""
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return [
        (x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
    ]


def problem(certificate: bytes, key: bytes, names: Sequence[str], now: datetime) -> str | None:
    """Why these, in PEM, are of no use to a server with these names, as the end of a sentence; None if they are."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        ours = x509.load_pem_x509_certificate(certificate)
        public, covered = ours.public_key().public_bytes(*form), _names(ours)
    except (ValueError, UnsupportedAlgorithm):
        return "the certificate is no PEM, or of a kind unknown here"
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        return "the key is encrypted"
    except (ValueError, UnsupportedAlgorithm):
        return "the key is no PEM, or of a kind unknown here"
    if private.public_key().public_bytes(*form) != public:
        return "the key is not the certificate's"
    if now < ours.not_valid_before_utc:
        return f"the certificate is not valid before {ours.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    if now >= ours.not_valid_after_utc:
        return f"the certificate expired on {ours.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    missing = [name for name in names if not _is_covered(name, covered)]
    return f"the certificate is not for {', '.join(missing)}" if missing else None


def expires(certificate: bytes) -> datetime:
    """When a certificate in PEM does; the first, if there are several. Raises ValueError."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def _is_covered(name: str, covered: frozenset[str]) -> bool:
    """A wildcard stands for one label (RFC 6125, section 6.4.3)."""
    _, _, parent = name.lower().partition(".")
    return name.lower() in covered or f"*.{parent}" in covered
