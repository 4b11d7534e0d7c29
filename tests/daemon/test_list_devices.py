"""The list of microphones on an output that takes no more."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from densenoiser_daemon.errors import DensenoiserError
from densenoiser_daemon.list_devices import print_microphones
try:
    print_microphones((), None, "PulseAudio")
except DensenoiserError as error:
    sys.stderr.write(str(error))
"""


def test_a_full_disk_is_an_error_with_its_reason() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123  (a device)
        command = [sys.executable, "-c", CODE]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "cannot write to standard output: No space left on device")
