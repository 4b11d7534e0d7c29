"""Collects the licences of everything in the bundle. What it cannot account for is an error."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OURS = {"densenoiser_daemon", "densenoiser_models", "densenoiser_tray"}
LICENCE_NAMES = re.compile(r"(licen[cs]e|copying|notice|thirdpartynotices|authors)", re.I)
_RULE = "\n" + "=" * 100 + "\n"


class UnknownOriginError(Exception):
    """A part of the bundle that belongs to no package."""


def collect(modules: Iterable[str], bundle: Path) -> str:
    """The text for the packages. UnknownOriginError.

    ``modules`` are the names of the Python modules inside the executable, ``bundle`` is PyInstaller's folder.
    """
    packages, system = _origins(modules, bundle)
    parts = ["DenseNoiser is made of the following parts, each under its own licence.\n"]
    parts += [f"  {name} {metadata.version(name)}: {_expression(name)}" for name in packages]
    parts += [f"  {name}, of the distribution that it was built on" for name in system]
    parts.append(
        "  The executable's start-up code is PyInstaller's: GPL-2.0-or-later with an exception that allows any use."
    )
    text = "\n".join(parts)
    text += f"{_RULE}DenseNoiser\n\n{(ROOT / 'LICENSE').read_text(encoding='utf-8')}"
    recordings = ROOT / "daemon/densenoiser_daemon/measurement/recordings/LICENCE.md"
    text += f"{_RULE}The demo's recordings\n\n{recordings.read_text(encoding='utf-8')}"
    for name in packages:
        text += f"{_RULE}{name} {metadata.version(name)}\n\n{_texts(name)}"
    for name in system:
        text += f"{_RULE}{name}\n\n{Path('/usr/share/doc', name, 'copyright').read_text(encoding='utf-8', errors='replace')}"
    return text.rstrip() + "\n"


def _origins(modules: Iterable[str], bundle: Path) -> tuple[list[str], list[str]]:
    """The Python packages and the distribution's packages that the bundle's parts come from."""
    homes = metadata.packages_distributions()
    packages, system = {"pyinstaller"}, {_system_package_of_python()}
    names = {module.split(".")[0] for module in modules} | {path.name for path in (bundle / "_internal").iterdir()}
    for name in sorted(names - OURS):
        stem = name.split(".")[0]
        if name.endswith(".dist-info"):
            packages.add(re.sub(r"-[^-]*$", "", name.removesuffix(".dist-info")))
        elif (bundle / "_internal" / name).is_symlink():
            continue  # it leads into a folder that is looked at itself
        elif name.endswith(".libs"):
            packages.add(stem)
        elif stem in homes:
            packages.update(homes[stem])
        elif ".so" in name:
            system.add(_system_package(name))
        elif not _is_of_python(stem):
            raise UnknownOriginError(f"{name} belongs to no package, so its licence is not known")
    packages -= {"densenoiser"}
    return sorted({metadata.metadata(name)["Name"] for name in packages}), sorted(system)


def _is_of_python(name: str) -> bool:
    if name in sys.stdlib_module_names or name in {"base_library", "python3"} or name.startswith("_sysconfigdata"):
        return True
    return name.startswith(("_pyi", "pyi", "program"))  # of the start-up code, and ours


def _system_package(library: str) -> str:
    """The distribution's package that a library was copied from."""
    done = subprocess.run(["dpkg-query", "--search", f"*/{library}"], check=False, capture_output=True, text=True)
    if done.returncode:
        raise UnknownOriginError(f"{library} belongs to no package, so its licence is not known")
    return done.stdout.split(":")[0]


def _system_package_of_python() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _expression(name: str) -> str:
    """What a package says of its licence in a few words."""
    about = metadata.metadata(name)
    said = about.get("License-Expression") or about.get("License") or ""
    if said and "\n" not in said and len(said) < 80:
        return said
    trove = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
    return ", ".join(trove) or "see below"


def _texts(name: str) -> str:
    """Every licence file of a package, and what we know beside it. UnknownOriginError if there is none."""
    found = [
        file
        for file in metadata.files(name) or ()
        if LICENCE_NAMES.match(file.name) and file.suffix not in (".py", ".pyc")
    ]
    texts = [Path(str(file.locate())).read_text(encoding="utf-8", errors="replace").strip() for file in found]
    added = HERE / "licences" / f"{name}.txt"
    if added.is_file():
        texts.append(added.read_text(encoding="utf-8").strip())
    if not texts:
        raise UnknownOriginError(f"{name} brings no licence text: add packaging/packages/licences/{name}.txt")
    return "\n\n".join(dict.fromkeys(texts)) + "\n"
