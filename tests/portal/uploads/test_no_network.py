"""SEC-07: a check opens no socket. Shown where there is no network to open one to."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.demo_instance import ROOT, DemoInstance
from tests.servers import without_network
from tests.verifier import hostile


def test_the_whole_corpus_without_a_network(demo_instance: DemoInstance, tmp_path: Path) -> None:
    """SEC-07: portal, fork server and children in a network namespace with nothing but a loopback that is
    down, and in the children ``socket`` answers EPERM besides: every file of the demo and every hostile one
    gets the answer that it gets elsewhere.
    """
    instance = demo_instance.copy_to(tmp_path / "instance")
    done = subprocess.run(  # noqa: S603 - our own command
        [*without_network(), sys.executable, "-m", "tests.portal.uploads.offline", str(instance.directory)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["interfaces"] == ["lo"]
    assert found["loopback"] == os.strerror(errno.ENETUNREACH)
    assert found["weaknesses"] == []
    expected = {s.file: [s.expected_verdict, s.expected_evidence] for s in instance.samples() if s.file}
    assert len(expected) > 15
    assert found["demo"] == expected
    assert found["hostile"].keys() == hostile.FILES.keys()
    for name, (incomplete, problem) in found["hostile"].items():
        if name in hostile.ENDLESS:
            assert incomplete in ("deadline", "memory", "crashed"), name
        else:
            assert incomplete is None, name
            assert problem in hostile.FILES[name][1], name
