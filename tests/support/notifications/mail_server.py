"""A mail server on the loopback address that keeps what it was given."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.servers.ports import free_port

USER, PASSWORD = "orchestrator", "mail/pass:word@9"


class MailServer:
    """`refusals` are answers to the next recipients, in place of taking their mail; `refused` has
    those of addresses that never get any.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.mails: list[EmailMessage] = []
        self.refusals: list[str] = []
        self.refused: dict[str, str] = {}
        self.over_tls: list[bool] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.over_tls.append(session.ssl is not None)
        return "250 OK"


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[MailServer]:
    """Serves while the context lasts. With TLS, it takes mail of one user only, after STARTTLS."""
    mails = MailServer(free_port())
    demands: dict[str, Any] = {}
    if tls:
        demands = {
            "tls_context": tls,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": _authenticated,
        }
    controller = Controller(mails, hostname="127.0.0.1", port=mails.port, **demands)
    controller.start()
    try:
        yield mails
    finally:
        controller.stop()


def _authenticated(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    is_known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=False)
