"""Nothing leaves the machine, and nobody else on it can look in: sockets and files of the real daemon at work."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.listening import application, hears_sound
from tests.support.waiting import wait_until

from densenoiser_daemon.measurement.demo import start_daemon
from densenoiser_daemon.measurement.private_server import MICROPHONE_NAME, PrivateServer
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.settings.settings import Settings
from densenoiser_daemon.system.instance_lock import InstanceLock
from densenoiser_models.engines import engines

DAEMON = [sys.executable, "-m", "densenoiser_daemon.main", "--device", MICROPHONE_NAME, "--verbose"]
CLIENT = [sys.executable, "-m", "densenoiser_daemon.command.cli"]


def without_network() -> list[str]:
    """What to put before a command to run it without any network device, loopback included.

    Nothing where the system lets no ordinary user do that: then the system calls are all there is to see.
    """
    for options in (["--net"], ["--user", "--map-current-user", "--net"]):
        if subprocess.run(["unshare", *options, "true"], check=False, capture_output=True).returncode == 0:
            return ["unshare", *options]
    return []


def socket_inodes(pid: int) -> set[str]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if match := re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink())):
                found.add(match[1])
    return found


def unix_inodes(pid: int) -> set[str]:
    return {line.split()[6] for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]}


def test_the_daemon_opens_no_network_socket(server: PrivateServer, talk: Callable[..., None], tmp_path: Path) -> None:
    """From its start to its end, filtering with every engine and answering on the bus: every socket(2) is a local one."""
    if server.kind == "pulseaudio":
        server.start_bus()
    talk()
    trace = tmp_path / "trace"
    # -D: the daemon stays this process's child, and strace ends with it. The filter costs nothing for other calls.
    calls = [
        "strace",
        "-D",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-e",
        "trace=socket,io_uring_setup,exit_group",
        "-o",
        str(trace),
    ]
    process = start_daemon(server, [*without_network(), *calls, *DAEMON])
    try:
        client = application(server)
        wait_until(lambda: hears_sound(client), 20, "the application hears the microphone")
        for words in (["strength", "24"], *(["model", name] for name in engines())):
            changed = subprocess.run([*CLIENT, *words], env=server.environment, check=False, capture_output=True)
            assert changed.returncode == 0, changed.stderr
            wait_until(lambda: hears_sound(client), 20, "the application hears the filtered microphone")
        held = socket_inodes(process.pid)
        assert len(held) >= 2, "the sound server's and the bus's"
        local = unix_inodes(process.pid) | unix_inodes(os.getpid())
        assert held <= local
        client.stop()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: "exit_group" in trace.read_text(), 10, "the trace is whole")
    seen = trace.read_text()
    families = re.findall(r"\bsocket\((\w+)", seen)
    assert len(families) >= 2, "strace saw the sockets that are there"
    assert set(families) <= {"AF_UNIX"}, seen
    assert "io_uring_setup" not in seen, "which can make sockets past socket(2)"


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that lets everybody read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): oct(path.stat().st_mode & 0o777) for path in sorted(folder.rglob("*"))}


@pytest.mark.usefixtures("open_umask")
def test_the_settings_are_the_users_alone_under_any_umask(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "config" / "densenoiser" / "settings.toml")
    file.save(Settings(), Settings(microphone="usb"))
    private = {"config": "0o700", "config/densenoiser": "0o700", "config/densenoiser/settings.toml": "0o600"}
    assert modes(tmp_path) == private
    file.path.chmod(0o666)
    file.path.with_name("settings.toml.new").write_bytes(b"left by a crash")  # of mode 0666
    file.save(Settings(microphone="usb"), Settings(microphone="webcam"))
    assert modes(tmp_path) == private


@pytest.mark.usefixtures("open_umask")
def test_the_lock_is_the_users_alone_under_any_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "above" / "run"))
    lock = InstanceLock()
    assert modes(tmp_path) == {"above": "0o700", "above/run": "0o700", "above/run/densenoised.lock": "0o600"}
    lock.close()
