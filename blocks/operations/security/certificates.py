"""Certificates in files and of servers: when they expire."""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from glob import glob
from pathlib import Path

from cryptography import x509

from blocks.operations.security.findings import Finding, finding
from blocks.settings.auth import words
from blocks.settings.operations import SecurityAudit

CONNECT_SECONDS = 5.0
_PORT_MAX = 65_535


async def check_certificates(settings: SecurityAudit, now: datetime) -> tuple[int, list[Finding]]:
    """How many certificates were read, and what is wrong with them. One that cannot be had is a
    finding.
    """
    within = timedelta(days=settings.expiry_days)
    found: list[Finding] = []
    read: list[tuple[str, x509.Certificate]] = []
    for name in words(settings.certificates):
        try:
            read += await _shown_by(name) if _is_server(name) else _in_files(name)
        except (OSError, TimeoutError, ValueError) as error:
            reason = str(error) or f"no answer within {CONNECT_SECONDS:g} s"
            found.append(
                finding(
                    "medium", name, f"its certificate cannot be read: {reason}", "mend the setting"
                )
            )
    found += [one for name, certificate in read for one in _of_one(name, certificate, now, within)]
    return len(read), found


def _of_one(
    name: str, certificate: x509.Certificate, now: datetime, within: timedelta
) -> Iterator[Finding]:
    until = certificate.not_valid_after_utc
    if until - now >= within:
        return
    subject = f"certificate {certificate.subject.rfc4514_string()} of {name}"
    if until <= now:
        yield finding("high", subject, f"it expired on {until:%Y-%m-%d}", "renew it")
    else:
        yield finding("medium", subject, f"it expires on {until:%Y-%m-%d}", "renew it")


def _is_server(name: str) -> bool:
    host, _, port = name.rpartition(":")
    return bool(host) and "/" not in name and port.isdecimal() and int(port) <= _PORT_MAX


def _in_files(pattern: str) -> list[tuple[str, x509.Certificate]]:
    """Every certificate of the files. Raises `OSError`, and `ValueError` for what is none."""
    names = sorted(glob(pattern))  # noqa: PTH207 - absolute
    if not names:
        raise FileNotFoundError("no such file")
    return [
        (name, certificate)
        for name in names
        for certificate in x509.load_pem_x509_certificates(Path(name).read_bytes())
    ]


async def _shown_by(server: str) -> list[tuple[str, x509.Certificate]]:
    """The certificate with which the server answers, valid or not. Raises `OSError`,
    `TimeoutError`, `ValueError`.
    """
    host, _, port = server.rpartition(":")
    any_certificate = ssl.create_default_context()
    any_certificate.check_hostname = False
    any_certificate.verify_mode = ssl.CERT_NONE  # it is to be read, and nothing is sent
    async with asyncio.timeout(CONNECT_SECONDS):
        _, writer = await asyncio.open_connection(
            host.strip("[]"), int(port), ssl=any_certificate, server_hostname=host.strip("[]")
        )
    try:
        encoded = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    if encoded is None:
        raise ValueError("the server shows none")
    return [(server, x509.load_der_x509_certificate(encoded))]
