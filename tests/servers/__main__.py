"""Runs the tests with sound servers of newer systems: ``python -m tests.servers [NAME ...]``, or ``make test-servers``.

The servers run in a chroot that mmdebstrap makes, the daemon and the tests outside. It needs root, mmdebstrap and a
Debian mirror. A tree is kept in the user's cache, and made anew with ``--fresh``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from tests.support.chroots import MIRROR, missing_means, say

EXIT_NO_MEANS = 3
PACKAGES = ("pipewire", "pipewire-bin", "pipewire-pulse", "wireplumber", "pulseaudio", "dbus", "dbus-user-session")
TESTS = ("tests/end_to_end", "tests/daemon/audio/pulse", "tests/daemon/command/doctor")
MOUNTS = ("/proc", "/dev", "/tmp")
"""What the servers share with the tests: their sockets lie under /tmp."""


@dataclass(frozen=True, slots=True)
class System:
    """A distribution whose servers are to be tried."""

    title: str
    suite: str
    options: tuple[str, ...] = ()


SYSTEMS = {
    "trixie": System("Debian 13: PipeWire 1.4, PulseAudio 17", "trixie"),
    "testing": System(
        "Debian testing: the newest PipeWire",
        "testing",
        # The list of packages may be past its date.
        ('--aptopt=Acquire::Check-Valid-Until "false"',),
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: that of the first run of pytest that failed, or EXIT_NO_MEANS."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    parser.add_argument("systems", nargs="*", metavar="NAME", help=f"of {', '.join(SYSTEMS)} (default: all)")
    parser.add_argument("--fresh", action="store_true", help="make the trees anew")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="PATH", help="what to run instead of the usual")
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="measure delay, dropouts and CPU for so long, and run no tests"
    )
    args = parser.parse_args(argv)
    if unknown := set(args.systems) - set(SYSTEMS):
        parser.error(f"no such system: {', '.join(sorted(unknown))}; there are: {', '.join(SYSTEMS)}")
    chosen = [SYSTEMS[name] for name in args.systems or SYSTEMS]
    for system in chosen:
        say(f"{system.title}: {work(args)}; half a minute to make")
    if lacking := missing_means():
        say(f"cannot be run here: {lacking}")
        return EXIT_NO_MEANS
    code = 0
    for system in chosen:
        root = tree(system, args.fresh)
        if root is None:
            return EXIT_NO_MEANS
        say(f"--- {system.title}")
        with mounted(root):
            command = (
                ["tests.tools.soak", "--markdown", "--minutes", str(args.soak)]
                if args.soak
                else ["pytest", "-q", *args.tests]
            )
            command = [sys.executable, "-m", *command, "--server-root", str(root)]
            code = code or subprocess.run(command, check=False).returncode
    return code


def work(args: argparse.Namespace) -> str:
    """What is done with each system, and how long it takes, in words."""
    if args.soak:
        return f"a soak of {args.soak:g} minutes on each server, and two minutes more"
    return f"{', '.join(args.tests)}, a quarter of an hour"


def tree(system: System, fresh: bool) -> Path | None:
    """The root of the system, made if it is not there; None, having said why, if it cannot be made."""
    root = Path(platformdirs.user_cache_dir("densenoiser-servers")) / system.suite
    if fresh:
        shutil.rmtree(root, ignore_errors=True)
    if (root / "usr").is_dir():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", f"--include={','.join(PACKAGES)}"]
    if subprocess.run([*command, *system.options, system.suite, str(root), MIRROR], check=False).returncode:
        shutil.rmtree(root, ignore_errors=True)
        say(f"mmdebstrap could not make {system.suite}; is {MIRROR} reachable?")
        return None
    return root


@contextmanager
def mounted(root: Path) -> Iterator[None]:
    """The folders of MOUNTS are there inside ``root`` for as long as the block lasts."""
    with ExitStack() as stack:
        for folder in MOUNTS:
            place = root / folder.lstrip("/")
            subprocess.run(["mount", "--rbind", folder, str(place)], check=True)
            subprocess.run(["mount", "--make-rslave", str(place)], check=True)
            stack.callback(subprocess.run, ["umount", "--recursive", "--lazy", str(place)], check=False)
        yield


if __name__ == "__main__":
    sys.exit(main())
