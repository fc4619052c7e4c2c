"""An account's personal values: how they are sealed, found and spelled.

Every value of a person is sealed under the account's own key; what must be found is found by a blind index
over its one spelling.
"""

from __future__ import annotations

import re
import uuid
from typing import Final

from portal.accounts.models import Account
from portal.messages.service import Address
from portal.ports import Channel
from portal.vault import Vault

#: What a person may call themselves.
MAX_NAME: Final = 120
# Mobile numbers of Vietnam since 2018: ten digits, 03, 05, 07, 08 or 09 in front.
_PHONE: Final = re.compile(r"0[35789]\d{8}", re.ASCII)


def seal_name(vault: Vault, account: Account, name: str) -> bytes:
    """A person's name, for its column."""
    return _seal(vault, account, "name_sealed", name)


def open_name(vault: Vault, account: Account) -> str:
    """A person's name."""
    return _open(vault, account, "name_sealed", account.name_sealed)


def seal_contact(vault: Vault, account: Account, contact: uuid.UUID, value: str) -> bytes:
    """A contact's value, for its row."""
    return vault.seal(
        account.wrapped_key,
        value.encode(),
        table="contacts",
        column="value_sealed",
        row=str(contact),
        version=1,
    )


def open_contact(vault: Vault, account: Account, contact: uuid.UUID, sealed: bytes) -> str:
    """A contact's value."""
    plain = vault.open(
        account.wrapped_key, sealed, table="contacts", column="value_sealed", row=str(contact), version=1
    )
    return plain.decode()


def contact_index(vault: Vault, kind: Channel, value: str) -> str:
    """What a contact is found by; ``value`` in its one spelling."""
    return vault.blind_index(f"{kind}/{value}", domain="contact")


def read_email(text: str) -> str | None:
    """An e-mail address in its one spelling (lower case: nobody has two that differ in case), None for what
    no message could be sent to.
    """
    text = text.strip().lower()
    try:
        Address(Channel.EMAIL, text)
    except ValueError:
        return None
    return text if "." in text.partition("@")[2] else None  # a name without a dot is on our own network


def read_phone(text: str) -> str | None:
    """A mobile number of Vietnam in its one spelling, ``0`` in front; None for what is none."""
    digits = re.sub(r"[\s.()-]", "", text)
    if digits.startswith(("+84", "84")):
        digits = "0" + digits.removeprefix("+").removeprefix("84")
    return digits if _PHONE.fullmatch(digits) else None


def dialled(phone: str) -> str:
    """A number in that spelling as E.164 writes it, for whoever sends to it."""
    return "+84" + phone.removeprefix("0")


def read_contact(text: str) -> tuple[Channel, str] | None:
    """An e-mail address or a mobile number, whichever ``text`` is; None for neither."""
    if (email := read_email(text)) is not None:
        return Channel.EMAIL, email
    phone = read_phone(text)
    return None if phone is None else (Channel.PHONE, phone)


def _seal(vault: Vault, account: Account, column: str, text: str) -> bytes:
    return vault.seal(
        account.wrapped_key, text.encode(), table="accounts", column=column, row=str(account.id), version=1
    )


def _open(vault: Vault, account: Account, column: str, sealed: bytes) -> str:
    plain = vault.open(
        account.wrapped_key, sealed, table="accounts", column=column, row=str(account.id), version=1
    )
    return plain.decode()
