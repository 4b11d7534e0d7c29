"""Tests of the lock that allows one daemon per session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from densenoiser_daemon.errors import AlreadyRunningError
from densenoiser_daemon.system.instance_lock import InstanceLock


@pytest.fixture(autouse=True)
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def test_the_second_is_told_who_the_first_is() -> None:
    lock = InstanceLock()
    with pytest.raises(AlreadyRunningError, match=rf"already running \(process {os.getpid()}\)") as caught:
        InstanceLock()
    assert caught.value.exit_code == 1
    with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"):
        InstanceLock()
    lock.close()


def test_it_is_free_again_after_the_first() -> None:
    InstanceLock().close()
    InstanceLock().close()


def test_a_crash_frees_it(runtime_folder: Path) -> None:
    script = "from densenoiser_daemon.system.instance_lock import InstanceLock as Lock\n"
    script += "lock = Lock(); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError, match=f"process {holder.pid}"):
            InstanceLock()
        holder.kill()
        holder.wait()
    lock = InstanceLock()
    assert (runtime_folder / "densenoised.lock").read_text() == f"{os.getpid()}\n"
    lock.close()


def test_the_runtime_folder_is_made_for_the_user_alone(runtime_folder: Path) -> None:
    InstanceLock().close()
    assert runtime_folder.stat().st_mode & 0o777 == 0o700
