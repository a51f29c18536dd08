"""A mail server: `smtp://` (STARTTLS) or `smtps://`, with a login where the URL has one."""

import asyncio
import ssl
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import aiosmtplib

from blocks.clock import utc_now
from blocks.notifications.message import CRITICAL, Channel, Message
from blocks.notifications.transports import ATTEMPT_SECONDS, Refused
from blocks.observability.plain_text import plain, shortened
from blocks.observability.redaction import redacted

_PORTS = {"smtp": 587, "smtps": 465}
_DETAIL_LENGTH = 200


class MailServer:
    """Sends each message on a connection of its own.

    A login goes over TLS only. Without one, STARTTLS is used where it is offered.
    """

    name = "smtp"

    def __init__(self, url: str, sender: str, *, trust: ssl.SSLContext | None = None) -> None:
        """`trust`: other certificate authorities than the system's."""
        self._url = urlsplit(url)
        self._sender = sender
        self._trust = trust

    def takes(self, channel: Channel) -> bool:
        return channel == "email"

    async def send(self, message: Message, id: str) -> str:
        url = self._url
        mail = _mail(message, self._sender, id)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await aiosmtplib.send(
                    mail,
                    sender=self._sender,
                    recipients=[message.recipient],
                    hostname=url.hostname,
                    port=url.port or _PORTS[url.scheme],
                    username=unquote(url.username) if url.username else None,
                    password=unquote(url.password) if url.password else None,
                    use_tls=url.scheme == "smtps",
                    start_tls=True if url.username and url.scheme == "smtp" else None,
                    tls_context=self._trust,
                    timeout=ATTEMPT_SECONDS,
                )
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            reason = f"it did not answer within {ATTEMPT_SECONDS:g} s"
            raise Refused(reason, is_passing=True) from None
        except aiosmtplib.SMTPException as error:
            raise _refused(error) from None
        except OSError as error:
            reason = f"it cannot be reached ({type(error).__name__})"
            raise Refused(reason, is_passing=True) from None
        return id


def _mail(message: Message, sender: str, id: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = message.recipient
    mail["Subject"] = plain(message.subject)
    mail["Date"] = format_datetime(utc_now())
    # The same at every repetition: mailboxes show what comes twice once.
    mail["Message-ID"] = f"<{id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    if message.priority >= CRITICAL:
        mail["X-Priority"] = "1"
    mail.set_content(message.body)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    return mail


def _refused(error: aiosmtplib.SMTPException) -> Refused:
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[first, *_]):
            return _refused(first)
        case aiosmtplib.SMTPResponseException(code=code, message=text):
            stated = shortened(redacted(str(text)), _DETAIL_LENGTH)
            return Refused(f"it answered {code} {stated}", is_passing=400 <= code < 500)
        case aiosmtplib.SMTPConnectError() | aiosmtplib.SMTPServerDisconnected():
            reason = f"it cannot be reached ({type(error).__name__})"
            return Refused(reason, is_passing=True)
        case _:
            return Refused(f"{shortened(redacted(str(error)), _DETAIL_LENGTH)}")
