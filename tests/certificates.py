"""Certificates made anew from others."""

from __future__ import annotations

from cryptography import x509


def reissued(old: x509.Certificate) -> x509.CertificateBuilder:
    """All that ``old`` says, under another number, for whoever signs it."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder
