"""Which way a message goes in this installation."""

from __future__ import annotations

from dataclasses import dataclass

from portal.config import Settings
from portal.messages.gateway import GatewayMailer
from portal.messages.smtp import SmtpMailer
from portal.ports import Channel, Mailer, OutgoingMessage, PermanentSendFault


class SilentMailer:
    """Sends nothing, for the demo: what would be sent is read on its outbox page."""

    def send(self, message: OutgoingMessage) -> None:
        """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Channels:
    """A mailer for each channel; a message for one that is not there is refused for good."""

    email: Mailer | None
    phone: Mailer | None

    def send(self, message: OutgoingMessage) -> None:
        """Raises :class:`portal.ports.SendFault`."""
        mailer = self.email if message.channel is Channel.EMAIL else self.phone
        if mailer is None:
            raise PermanentSendFault("no_channel")
        mailer.send(message)


def mailer_for(settings: Settings) -> Mailer:
    """The settings' mailer: nothing is sent in demo mode, whatever else they say."""
    if settings.demo:
        return SilentMailer()
    mail, sms = settings.mail, settings.sms
    return Channels(
        SmtpMailer(mail, name=settings.system_name, tls_required=settings.production) if mail else None,
        GatewayMailer(sms.url, sms.token) if sms else None,
    )
