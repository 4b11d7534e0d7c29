"""Lays out what the packages hold, as it lies on a system under /."""

from __future__ import annotations

import ast
import gzip
import os
import shutil
import sys
from pathlib import Path

PROGRAMS = ("densenoised", "densenoiser", "densenoiser-tray")
LIB = Path("usr/lib/densenoiser")
WINDOW = Path("usr/share/densenoiser")
LOCALE = Path("usr/share/locale")
ENTRY = "org.densenoiser.DenseNoiser.desktop"
CONFINEMENT = "50-confine-files.conf"
PRESET = """\
# DenseNoiser starts with each user's session. It opens the microphone only while somebody listens.
enable densenoised.service
"""
AUTOSTART = """\
[Desktop Entry]
Type=Application
Name=DenseNoiser
Comment=Removes noise from the microphone
Comment[ru]=Убирает шум из микрофона
TryExec=/usr/bin/densenoiser-tray
Exec="/usr/bin/densenoiser-tray" --start
Icon=org.densenoiser.DenseNoiser
Terminal=false
X-GNOME-Autostart-enabled=true
"""


def lay_out(root: Path, bundle: Path, sources: Path, licences: str, epoch: int) -> None:
    """Fills ``root``, which must not exist.

    ``bundle`` is PyInstaller's folder and ``sources`` the unpacked wheel. Every file gets the time ``epoch``, in seconds.
    """
    shutil.copytree(bundle, root / LIB, symlinks=True)
    (root / "usr/bin").mkdir()
    for name in PROGRAMS:
        (root / "usr/bin" / name).symlink_to("../lib/densenoiser/densenoiser")
    lay_out_share(root, sources / "densenoiser_daemon" / "share")
    _catalogues(root, sources)
    _window(root, sources)
    _write(root / "licences", licences)
    _settle(root, epoch)


def lay_out_share(root: Path, share: Path) -> None:
    """The desktop files, with the programs' folder filled in. The units go where systemd looks, the man pages are packed.

    zsh's completions are left in ``root`` / "zsh": each distribution has a folder of its own for them.
    """
    _write(root / "usr/lib/systemd/user-preset/90-densenoiser.preset", PRESET)
    _write(root / "etc/xdg/autostart" / ENTRY, AUTOSTART)
    for source in sorted(path for path in share.rglob("*") if path.is_file()):
        name = source.relative_to(share)
        text = source.read_text(encoding="utf-8").replace("@bindir@", "/usr/bin")
        if name.name == CONFINEMENT:
            _write(root / LIB / CONFINEMENT, text)
        elif name.parts[0] == "systemd":
            _write(root / "usr/lib" / name, text)
        elif name.parts[0] == "man":
            target = root / "usr/share" / f"{name}.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(gzip.compress(text.encode(), mtime=0))
        elif name.parts[0] == "zsh":
            _write(root / "zsh" / name.name, text)
        else:
            _write(root / "usr/share" / name, text)


def _catalogues(root: Path, sources: Path) -> None:
    """One copy of the translations, where the distribution keeps them. ``_link`` shows them to the programs."""
    for source in sorted((sources / "densenoiser_daemon" / "locale").rglob("*.mo")):
        target = root / LOCALE / source.relative_to(sources / "densenoiser_daemon" / "locale")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for package in ("densenoiser_daemon", "densenoiser_tray"):
        _link_locale(root, LIB / "_internal" / package)


def _link_locale(root: Path, folder: Path) -> None:
    (root / folder / "locale").symlink_to(os.path.relpath(LOCALE, folder))


def _window(root: Path, sources: Path) -> None:
    """The window and what it imports, as plain Python, beside the metadata that says its version."""
    for path in sorted(_imported_by_window(sources)):
        target = root / WINDOW / path.relative_to(sources)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _link_locale(root, WINDOW / "densenoiser_tray")
    (own,) = sources.glob("densenoiser-*.dist-info")
    (root / WINDOW / own.name).mkdir()
    shutil.copyfile(own / "METADATA", root / WINDOW / own.name / "METADATA")
    here = Path(__file__).parent
    shutil.copyfile(here / "window.py", root / WINDOW / "window.py")
    shutil.copyfile(here / "densenoiser-window", root / "usr/bin/densenoiser-window")


def _imported_by_window(sources: Path) -> set[Path]:
    """The window's modules, and those of the tray that they import, directly or not."""
    waiting = [*(sources / "densenoiser_window").glob("*.py"), sources / "densenoiser_tray" / "__init__.py"]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                folder = path.parent if node.level else sources
                module = folder.joinpath(*(node.module or "").split("."))
                waiting += [module.with_suffix(".py"), *(module / f"{alias.name}.py" for alias in node.names)]
    return found


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _settle(root: Path, epoch: int) -> None:
    """The same modes and times, whoever builds and when."""
    for path in sorted(root.rglob("*"), reverse=True):
        if not path.is_symlink():
            runs = path.is_dir() or (path.read_bytes()[:4] == b"\x7fELF" and ".so" not in path.name)
            path.chmod(0o755 if runs or path.parent.name == "bin" else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


if __name__ == "__main__":  # for a package without a bundle: layout.py ROOT SHARE
    lay_out_share(Path(sys.argv[1]), Path(sys.argv[2]))
