"""A SoftHSM token in a folder of its own, filled from PKCS#12 credentials: like a school's token."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pkcs11
from cryptography.hazmat.primitives import serialization

from portal.demo.authority import Credential

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
TOKEN = "Văn thư"
PIN = "4321-test"


def make_token(folder: Path, credentials: Sequence[Credential]) -> None:
    """Keys and certificates under the handles of ``credentials``. Once a process: the module reads its
    configuration when it is first loaded.
    """
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    _util("--init-token", "--free", "--label", TOKEN, "--so-pin", PIN, "--pin", PIN)
    for number, credential in enumerate(credentials, 1):
        file = folder / "key.pem"
        file.write_bytes(
            credential.private_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        place = ("--import", str(file), "--token", TOKEN, "--pin", PIN)
        _util(*place, "--label", credential.handle, "--id", f"{number:02x}")
        file.unlink()
    with pkcs11.lib(MODULE).get_token(token_label=TOKEN).open(rw=True, user_pin=PIN) as session:
        for credential in credentials:
            session.create_object(
                {
                    pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                    pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                    pkcs11.Attribute.TOKEN: True,
                    pkcs11.Attribute.LABEL: credential.handle,
                    pkcs11.Attribute.SUBJECT: credential.certificate.subject.public_bytes(),
                    pkcs11.Attribute.VALUE: credential.der,
                }
            )


def _util(*arguments: str) -> None:
    command = ("softhsm2-util", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert done.returncode == 0, done.stderr
