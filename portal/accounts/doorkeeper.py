"""Answers the routes' questions about who is there (:class:`portal.web.sessions.Doorkeeper`)."""

from __future__ import annotations

from portal.accounts import passkeys, refusals, sessions
from portal.accounts.passkeys import RelyingParty
from portal.config import Settings
from portal.errors import Refusal, marked
from portal.extensions import resources, transaction
from portal.permissions import Act
from portal.web.sessions import Viewer


def relying_party(settings: Settings) -> RelyingParty:
    """The portal as authenticators know it."""
    return RelyingParty.of(settings.public_url, settings.system_name)


class AccountsDoorkeeper:
    """Asks the sessions and the trail, each time in a transaction of its own."""

    def identify(self, token: str) -> Viewer | None:
        bundle = resources()
        if not token:
            return None
        with transaction() as session:
            found = sessions.find(session, bundle.vault, token, now=bundle.clock.now())
        if found is None:
            return None
        return Viewer(
            found.account,
            found.actor,
            found.name,
            found.session,
            found.role,
            found.organisation,
            found.organisation_name,
            found.organisation_kind,
        )

    def confirm(self, viewer: Viewer, what: str, answer: str) -> None:
        bundle = resources()
        if not answer:
            raise Refusal(
                "passkey_missing", marked("Việc này phải được xác nhận bằng khoá truy cập (passkey).")
            )
        with transaction() as session:
            right = passkeys.confirm(
                session,
                relying_party(bundle.settings),
                viewer.account,
                what,
                answer,
                session_id=viewer.session,
                now=bundle.clock.now(),
            )
        if not right:
            raise Refusal("passkey_wrong", marked("Khoá truy cập chưa xác nhận đúng việc này."))

    def turned_away(self, viewer: Viewer, act: Act, reason: str) -> None:
        with transaction() as session:
            refusals.tell(
                session,
                viewer.actor,
                {"act": act.value, "reason": reason},
                organisation=viewer.organisation,
                now=resources().clock.now(),
            )
