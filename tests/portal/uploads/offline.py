"""``python -m tests.portal.uploads.offline INSTANCE``: checks everything there is to check, and prints as
JSON what it found and what network it had. For a network namespace without interfaces
(``tests.servers.without_network``).
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from portal.config import Settings
from portal.factory import create_app
from tests.demo_instance import DemoInstance
from tests.verifier import hostile
from verifier import confinement
from verifier.policy import DEFAULT, Resources
from verifier.sandbox import CheckJob, ForkServer
from verifier.trust import TrustStore

#: A busy machine is no finding here.
PATIENT = Resources(deadline=120.0, cpu_seconds=60)
#: For files that take all the time there is.
HASTY = Resources(deadline=4.0, cpu_seconds=3)


def main(instance: DemoInstance) -> None:
    """Every file of the demo by the whole portal, every hostile file by a confined child."""
    reached = ""
    try:
        socket.create_connection(("127.0.0.1", 53), 1).close()
    except OSError as error:
        reached = os.strerror(error.errno or 0)
    usual, hasty = (
        ForkServer(replace(DEFAULT, resources=given), confined=True) for given in (PATIENT, HASTY)
    )
    try:
        found = {
            "interfaces": [name for _, name in socket.if_nameindex()],
            "loopback": reached,
            "weaknesses": confinement.weaknesses(),
            "demo": demo_files(instance, usual),
            "hostile": hostile_files(usual, hasty),
        }
    finally:
        usual.close()
        hasty.close()
    print(json.dumps(found))


def demo_files(instance: DemoInstance, checker: ForkServer) -> dict[str, list[str]]:
    """File name -> verdict and evidence."""
    app = create_app(Settings.from_environment(instance.environment), checker=checker)
    answers = {}
    for sample in instance.samples():
        if sample.file is not None:
            with (instance.demo / sample.file).open("rb") as file:
                answer = app.test_client().post(
                    "/check", data={"file": (file, "x.pdf")}, headers={"Accept": "application/json"}
                )
            told = json.loads(answer.data)
            answers[sample.file] = [told["verdict"], told["evidence"]]
    return answers


def hostile_files(usual: ForkServer, hasty: ForkServer) -> dict[str, list[str | None]]:
    """Name -> why it was not finished, and what is wrong with it."""
    trust = TrustStore(epoch=0, anchors=(), intermediates=(), signers=(), crls=())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trust.json"
        path.write_text(json.dumps(trust.to_json()))

        def look(name: str) -> tuple[str, list[str | None]]:
            server = hasty if name in hostile.ENDLESS else usual
            report = server.check(CheckJob(hostile.FILES[name][0](), path, datetime.now(UTC)))
            return name, [report.incomplete, report.problem]

        with ThreadPoolExecutor(2) as pool:
            return dict(pool.map(look, sorted(hostile.FILES)))


if __name__ == "__main__":
    main(DemoInstance(Path(sys.argv[1])))
