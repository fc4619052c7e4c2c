"""E-mail by SMTP (RFC 5321), over TLS: implicit (``smtps``), or by STARTTLS before anything is said (RFC
8314).

The Message-ID is made of the row's id and the Date of the row's time: the same message sent again is the same
to the last byte, and recognisable.
"""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final

from portal.config import MailServer
from portal.fetching import Line, in_time
from portal.ports import OutgoingMessage, PermanentSendFault, TemporarySendFault

SECONDS: Final = 60.0  # for one message, in all; shorter than the lease of ``portal.messages.service``
_ANSWER: Final = 30.0  # for one answer
_SIGN_IN_FIRST: Final = 530  # RFC 4954, clause 6, and RFC 3207, clause 4: says nothing about the recipient


class SmtpMailer:
    """One mail server, a connection a message. A recipient or text that is refused for good is a permanent
    fault; whatever else goes wrong (sign-in, sender, TLS, network) is the installation's or the network's,
    and so worth another try.
    """

    def __init__(
        self, server: MailServer, *, name: str, tls_required: bool, seconds: float = SECONDS
    ) -> None:
        self._server = server
        self._domain = server.sender.rpartition("@")[2]
        self._name = name
        self._tls_required = tls_required
        self._seconds = seconds

    def send(self, message: OutgoingMessage) -> None:
        """Raises :class:`portal.ports.SendFault`. What a server says is told by its number alone: the words
        repeat addresses.
        """
        mail = self.written(message)
        try:
            in_time(self._seconds, lambda line: self._hand_over(line, mail, message.to))
        except smtplib.SMTPRecipientsRefused as refused:
            code = next(iter(refused.recipients.values()))[0]
            raise _fault(code, for_good=code >= 500 and code != _SIGN_IN_FIRST) from None
        except smtplib.SMTPDataError as refused:
            raise _fault(refused.smtp_code, for_good=refused.smtp_code >= 500) from None
        except smtplib.SMTPResponseException as refused:
            raise _fault(refused.smtp_code, for_good=False) from None
        except smtplib.SMTPNotSupportedError:
            raise TemporarySendFault("no_tls_or_auth") from None
        except ssl.SSLError:
            raise TemporarySendFault("tls") from None
        except TimeoutError:
            raise TemporarySendFault("timeout") from None
        except OSError:  # every other fault of smtplib is one as well
            raise TemporarySendFault("unreachable") from None

    def written(self, message: OutgoingMessage) -> EmailMessage:
        """The e-mail of a message."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address(self._name, addr_spec=self._server.sender)
        mail["To"] = message.to
        mail["Subject"] = message.subject
        mail["Date"] = message.at
        mail["Message-ID"] = f"<{message.id}@{self._domain}>"
        mail["Content-Language"] = message.language
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers
        mail.set_content(message.text, cte="quoted-printable")
        return mail

    def _hand_over(self, line: Line, mail: EmailMessage, to: str) -> None:
        server, domain = self._server, self._domain
        context = ssl.create_default_context()
        if server.implicit_tls:
            connection: smtplib.SMTP = _TlsLine(
                line, server.host, server.port, local_hostname=domain, timeout=_ANSWER, context=context
            )
        else:
            connection = _PlainLine(line, server.host, server.port, local_hostname=domain, timeout=_ANSWER)
        try:
            connection.ehlo_or_helo_if_needed()
            if not server.implicit_tls and (self._tls_required or connection.has_extn("starttls")):
                connection.starttls(context=context)
                connection.ehlo()
            if server.user:
                if not isinstance(connection.sock, ssl.SSLSocket):
                    raise smtplib.SMTPNotSupportedError("no password without TLS")
                connection.login(server.user, server.password)
            connection.send_message(mail, server.sender, [to])
        except BaseException:
            connection.close()
            raise
        with suppress(OSError):  # it was taken; how the conversation ends changes nothing
            connection.quit()
        connection.close()


class _PlainLine(smtplib.SMTP):
    """Says where it is before it connects, so that it can be cut off."""

    def __init__(self, line: Line, *arguments: Any, **named: Any) -> None:
        line.connection = self
        super().__init__(*arguments, **named)


class _TlsLine(smtplib.SMTP_SSL):
    def __init__(self, line: Line, *arguments: Any, **named: Any) -> None:
        line.connection = self
        super().__init__(*arguments, **named)


def _fault(code: int, *, for_good: bool) -> PermanentSendFault | TemporarySendFault:
    return (PermanentSendFault if for_good else TemporarySendFault)(f"smtp_{code}")
