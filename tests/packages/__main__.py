"""Tries the packages in dist/ on fresh systems: ``python -m tests.packages [NAME ...]``.

Each is installed by its own tool in a chroot that mmdebstrap makes, used as a person uses it (inside.sh), and removed. It
needs root, mmdebstrap, a Debian mirror, and rpm and pacman (pacman-package-manager) for those two. The trees are kept in
``--trees`` while it runs, and taken away at its end unless ``--keep`` is given.
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

from tests.support import chroots
from tests.support.chroots import MIRROR, say

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
DIST = ROOT / "dist"
EXIT_NO_MEANS = 3
TOOLS = (
    "ca-certificates", "dbus", "dbus-bin", "desktop-file-utils", "imagemagick", "libpulse0", "passwd", "pipewire",
    "pipewire-pulse", "pulseaudio-utils", "systemd", "wireplumber", "xdotool", "xvfb",
)  # fmt: skip
WINDOW = ("python3-gi", "gir1.2-gtk-4.0", "gir1.2-adw-1")
"""What the deb recommends, for the packages of other systems that are tried on Debian."""
SETTINGS = (".config/densenoiser", ".local/state/densenoiser")
"""The person's own, which stays."""
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13", "testing": "Debian testing"}


@dataclass(frozen=True, slots=True)
class Trial:
    """One package on one system."""

    suite: str
    pattern: str
    """The package's file in dist/."""


TRIALS = {
    "debian12": Trial("bookworm", "*.deb"),
    "debian13": Trial("trixie", "*.deb"),
    "testing": Trial("testing", "*.deb"),
    "rpm": Trial("trixie", "*.rpm"),
    "arch": Trial("trixie", "*.pkg.tar.zst"),
    "tarball": Trial("trixie", "densenoiser-*.tar.gz"),
}


class TrialError(Exception):
    """The package does not do what it should."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 1 if a package fails, EXIT_NO_MEANS if the trials cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.packages", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TRIALS)} (default: all)")
    parser.add_argument("--trees", type=Path, default=Path("/var/tmp/densenoiser-packages"), metavar="FOLDER")
    parser.add_argument("--keep", action="store_true", help="keep the trees for the next run")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(TRIALS):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}; there are: {', '.join(TRIALS)}")
    if lacking := missing_means():
        say(f"cannot be run here: {lacking}")
        return EXIT_NO_MEANS
    failed = []
    try:
        for name in args.names or TRIALS:
            say(f"--- {name}: {SUITES[TRIALS[name].suite]}")
            try:
                attempt(TRIALS[name], args.trees)
            except TrialError as error:
                failed.append(name)
                say(str(error))
    finally:
        if not args.keep:
            shutil.rmtree(args.trees, ignore_errors=True)
    say(f"failed: {', '.join(failed)}" if failed else "all as it should be")
    return 1 if failed else 0


def missing_means() -> str:
    """What is not there that this needs, or ""."""
    if missing := chroots.missing_means():
        return missing
    if not list(DIST.glob("*.deb")):
        return "there are no packages in dist/: make packages"
    return ""


def attempt(trial: Trial, trees: Path) -> None:
    """Installs, uses and removes the package on a throw-away layer over the system's tree. TrialError."""
    package = max(DIST.glob(trial.pattern))
    with layer(tree(trial.suite, trees), trees) as root:
        shutil.copy(package, root / "opt")
        for file in ("inside.sh", "panel.py"):
            shutil.copy(HERE / file, root / "opt")
        inside(root, "useradd", "--create-home", "tester")
        # As on a system that runs: without them Debian 12's WirePlumber ends.
        inside(root, "mkdir", "-p", *(f"/run/systemd/{name}" for name in ("machines", "seats", "sessions", "users")))
        install(root, package)
        person = (
            "runuser",
            "-u",
            "tester",
            "--",
            "env",
            "HOME=/home/tester",
            "USER=tester",
            "PATH=/usr/local/bin:/usr/bin:/bin",
        )
        inside(root, *person, "bash", "/opt/inside.sh")
        if (root / "tmp/window.png").is_file():
            shutil.copy(root / "tmp/window.png", trees / f"window-{trial.suite}-{package.suffix[1:]}.png")
        remove(root, package)
        (root / "opt" / package.name).unlink()
        if traces := sorted(left_behind(root)):
            raise TrialError("left behind: " + ", ".join(traces))
        say("removed    without a trace but the settings")


def install(root: Path, package: Path) -> None:
    """By the package's own tool."""
    own = f"/opt/{package.name}"
    apt(root, "update")
    if package.suffix != ".deb":
        apt(root, "install", "--no-install-recommends", *WINDOW)
    if package.suffix == ".deb":
        apt(root, "install", own)
    elif package.suffix == ".rpm":
        run("rpm", "--root", str(root), "--install", "--nodeps", own_path(root, own))
    elif package.name.endswith(".pkg.tar.zst"):
        (root / "var/lib/pacman").mkdir(parents=True)
        inside(root, "ln", "-sf", "bash", "/bin/sh")  # as on Arch, whose scripts are written for it
        run(*pacman(root), "-U", "-dd", own_path(root, own))
    else:
        inside(
            root, "sh", "-c", f"mkdir /opt/unpacked && tar -xzf {own} -C /opt/unpacked && /opt/unpacked/*/install.sh"
        )


def remove(root: Path, package: Path) -> None:
    """By the package's own tool, with its configuration."""
    if package.suffix == ".deb":
        apt(root, "purge", "densenoiser")
    elif package.suffix == ".rpm":
        run("rpm", "--root", str(root), "--erase", "--nodeps", "densenoiser")
        shutil.rmtree(root / "var/lib/rpm", ignore_errors=True)
    elif package.name.endswith(".pkg.tar.zst"):
        run(*pacman(root), "-Rn", "-dd", "densenoiser")
        shutil.rmtree(root / "var/lib/pacman")
    else:
        inside(root, "sh", "-c", "/opt/unpacked/*/install.sh --uninstall && rm -r /opt/unpacked")


def pacman(root: Path) -> list[str]:
    """pacman for this root, which asks nothing and knows no repository."""
    settings = root / "opt/pacman.conf"
    settings.write_text("[options]\nArchitecture = auto\nSigLevel = Never\nLocalFileSigLevel = Never\n")
    return ["pacman", "--root", str(root), "--config", str(settings), "--noconfirm"]


def own_path(root: Path, path: str) -> str:
    """A path inside the root, seen from outside."""
    return str(root / path.lstrip("/"))


def left_behind(root: Path) -> Iterator[str]:
    """Whatever has our name, but for the person's settings and what dpkg and apt remember of any package."""
    others = ("tmp", "var/log", "var/lib/apt", "var/cache", *(f"home/tester/{name}" for name in SETTINGS))
    spared = [word for name in others for word in ("-path", f"{root}/{name}", "-prune", "-o")]
    command = ["find", str(root), "-xdev", *spared, "-iname", "*densenoise*", "-print"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    yield from (path.removeprefix(str(root)) for path in done.stdout.splitlines())


def apt(root: Path, verb: str, *words: str) -> None:
    """apt-get inside, with nothing asked."""
    inside(root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y", verb, *words, quiet=True)


def inside(root: Path, *command: str, quiet: bool = False) -> None:
    """A command in the chroot. TrialError if it fails."""
    run("chroot", str(root), *command, quiet=quiet)


def run(*command: str, quiet: bool = False) -> None:
    """A command. TrialError with what it said if it fails."""
    output = subprocess.PIPE if quiet else None
    done = subprocess.run(command, check=False, stdout=output, stderr=subprocess.STDOUT if quiet else None, text=True)
    if done.returncode:
        raise TrialError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout or ''}")


def tree(suite: str, trees: Path) -> Path:
    """A fresh system with the tools of the trial, made if it is not there."""
    root = trees / suite
    if not (root / "usr").is_dir():
        root.parent.mkdir(parents=True, exist_ok=True)
        # The list of packages of testing may be past its date.
        command = [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=apt",
            '--aptopt=Acquire::Check-Valid-Until "false"',
        ]
        run(*command, f"--include={','.join(TOOLS)}", suite, str(root), MIRROR)
    return root


@contextmanager
def layer(base: Path, trees: Path) -> Iterator[Path]:
    """The tree with everything mounted, where what is written is gone afterwards."""
    work = trees / "layer"
    shutil.rmtree(work, ignore_errors=True)
    for name in ("upper", "work", "root"):
        (work / name).mkdir(parents=True)
    root = work / "root"
    with ExitStack() as stack:
        options = f"lowerdir={base},upperdir={work / 'upper'},workdir={work / 'work'}"
        for mount in (["-t", "overlay", "-o", options, "overlay", str(root)], ["--rbind", "/dev", str(root / "dev")],
                      ["-t", "proc", "proc", str(root / "proc")], ["-t", "tmpfs", "tmpfs", str(root / "tmp")]):  # fmt: skip
            run("mount", *mount)
            run("mount", "--make-rslave", mount[-1])
            stack.callback(subprocess.run, ["umount", "--recursive", "--lazy", mount[-1]], check=False)
        yield root
    shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
