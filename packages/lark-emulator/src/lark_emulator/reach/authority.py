"""A certificate authority of the emulator's own, for TLS: made once, kept in a folder, trusted on request."""

from __future__ import annotations

import os
import secrets
import ssl
import stat
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KEY_FILE, CERTIFICATE_FILE = "authority-key.pem", "authority.crt"
#: Where clients look for authorities: Python and others on OpenSSL, Node.js, requests.
VARIABLES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")
_YEARS = timedelta(days=3650)
#: The longest life of a server's certificate that all clients accept.
_LEAF_LIFE = timedelta(days=397)
#: Clocks differ; a certificate of this second would not be valid yet for some.
_EARLIER = timedelta(days=1)


def get_default_folder() -> Path:
    """Return where the authority is kept unless a folder is given: below the user's own data."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "lark-emulator"


class Authority:
    """A certificate authority.

    Args:
        folder: Has its key (mode 0600) and its certificate; made if it is not there.

    Raises:
        ValueError: the key is readable by others, or the files are not a key and a certificate.
        OSError: the folder cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.certificate_file = folder / CERTIFICATE_FILE
        self._key_file = folder / KEY_FILE
        if not self._key_file.exists():
            self._create(folder)
        mode = stat.S_IMODE(self._key_file.stat().st_mode)
        if mode & 0o077:
            raise ValueError(
                f"the key {self._key_file} is readable by others (mode {mode:04o}). Next: chmod 600 it, or "
                "delete the folder for a new authority"
            )
        self._key, self._certificate = self._load()

    def _create(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, certificate = _make_authority()
        # Both are in one file, which appears at once and whole: of two processes, one is first.
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as draft:  # its mode is 0600
            draft.write(_encode_key(key) + _encode_certificate(certificate))
        try:
            with suppress(FileExistsError):
                os.link(draft.name, self._key_file)
        finally:
            Path(draft.name).unlink()

    def _load(self) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

        content = self._key_file.read_bytes()
        try:
            key = serialization.load_pem_private_key(content, None)
            certificate = x509.load_pem_x509_certificate(content)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{self._key_file} holds no key with a certificate ({error}). Next: delete the folder for a "
                "new authority"
            ) from None
        if not isinstance(key, EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
            raise ValueError(
                f"{self._key_file} was not made by lark-emulator. Next: give another folder as --authority"
            )
        if certificate.not_valid_after_utc <= datetime.now(UTC) + _EARLIER:
            raise ValueError(
                f"the authority in {self._key_file} has expired. Next: delete the folder for a new one"
            )
        public = _encode_certificate(certificate)
        if not self.certificate_file.exists() or self.certificate_file.read_bytes() != public:
            draft = self.certificate_file.with_suffix(f".{secrets.token_hex(8)}")
            draft.write_bytes(public)
            draft.replace(self.certificate_file)
        return key, certificate

    def make_context(self, names: Iterable[str]) -> ssl.SSLContext:
        """Return what a server for these names and addresses needs; its key is nowhere but in memory."""
        key, certificate = _make_leaf(self._key, self._certificate, sorted(set(names)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # OpenSSL takes a key from a file only.
        with tempfile.NamedTemporaryFile() as file:
            file.write(
                _encode_key(key) + _encode_certificate(certificate) + _encode_certificate(self._certificate)
            )
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def format_trust_line(self) -> str:
        """Return the line for a shell that makes clients trust it."""
        return "export " + " ".join(f"{name}={self.certificate_file}" for name in VARIABLES)


def _make_authority() -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    title = x509.NameAttribute(NameOID.COMMON_NAME, "lark-emulator, for tests on this machine")
    name = x509.Name([title])
    builder = (
        _make_dated_builder(_YEARS)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_make_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return key, builder.sign(key, hashes.SHA256())


def _make_leaf(
    authority_key: EllipticCurvePrivateKey, authority: x509.Certificate, names: list[str]
) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lark-emulator")])
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    of_authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = (
        _make_dated_builder(_LEAF_LIFE)
        .subject_name(subject)
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([_make_alternative(name) for name in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_make_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(own, critical=False)
        .add_extension(of_authority, critical=False)
    )
    return key, builder.sign(authority_key, hashes.SHA256())


def _make_alternative(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _make_usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _make_dated_builder(life: timedelta) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _EARLIER).not_valid_after(now - _EARLIER + life)


def _encode_key(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _encode_certificate(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)
