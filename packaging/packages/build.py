"""Builds the packages: ``make packages``, or ``python3 packaging/packages/build.py [--check-twice]``.

Everything lies under build/packages; the packages and their digests end up in dist/. The same commit gives the same bytes
on the same system. It needs Python's venv, binutils and a libpython of the distribution's Python, and a package index.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "packages"
DIST = ROOT / "dist"
LOCKS = (ROOT / "packaging" / "requirements.lock", HERE / "requirements.lock")
LARGEST_BYTES = 90_000_000
FORMATS = ("deb", "rpm", "archlinux")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def main() -> int:
    """The exit code: 1 if a package is too large, or a second build differs."""
    parser = argparse.ArgumentParser(description="Build the packages into dist/.")
    parser.add_argument("--check-twice", action="store_true", help="build a second time, and compare the digests")
    args = parser.parse_args()
    python = _environment()
    if Path(sys.prefix) != BUILD / "venv":  # the rest needs what is installed there
        return subprocess.run([python, __file__, *sys.argv[1:]], check=False).returncode
    made = build()
    if args.check_twice:
        before, made = made, build()
        if differing := [name for name in made if made[name] != before[name]]:
            say(f"not the same twice: {', '.join(differing)}")
            return 1
        say("the same digests twice")
    return 1 if any((DIST / name).stat().st_size > LARGEST_BYTES for name in made) else 0


def build() -> dict[str, str]:
    """Builds everything anew. Maps the name of each package to its SHA-256."""
    epoch = _run("git", "log", "-1", "--format=%ct").strip()
    os.environ.update(SOURCE_DATE_EPOCH=epoch, PYTHONHASHSEED="0", TZ="UTC", LC_ALL="C.UTF-8")
    os.umask(0o022)
    for folder in ("wheel", "bundle", "work", "root"):
        shutil.rmtree(BUILD / folder, ignore_errors=True)
    sources, version = _wheel()
    os.environ["DENSENOISER_SOURCES"] = str(sources)
    places = ("--distpath", str(BUILD / "bundle"), "--workpath", str(BUILD / "work"), "--log-level", "WARN")
    _run(sys.executable, "-m", "PyInstaller", "--noconfirm", *places, str(HERE / "bundle.spec"))
    bundle = BUILD / "bundle" / "densenoiser"
    import layout  # noqa: PLC0415  (after main() has chosen the environment)
    import licences  # noqa: PLC0415

    layout.lay_out(BUILD / "root", bundle, sources, licences.collect(_modules(bundle), bundle), int(epoch))
    DIST.mkdir(exist_ok=True)
    machine = ARCHITECTURES[platform.machine()]
    os.environ.update(PACKAGE_VERSION=version, PACKAGE_ARCH=machine)
    packages = [_package(kind, version, machine) for kind in FORMATS]
    packages.append(_tarball(version, int(epoch)))
    return _report(bundle, packages)


def _environment() -> Path:
    """The Python of build/packages/venv, made if it is not there or a lock has changed."""
    python = BUILD / "venv" / "bin" / "python"
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()
    mark = BUILD / "venv" / "locks"
    if not mark.is_file() or mark.read_text() != digest:
        shutil.rmtree(BUILD / "venv", ignore_errors=True)
        system = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
        _run(system, "-m", "venv", str(BUILD / "venv"))
        for lock in LOCKS:
            _run(str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--require-hashes",
                 "--requirement", str(lock))  # fmt: skip
        mark.write_text(digest)
    return python


def _wheel() -> tuple[Path, str]:
    """Builds the wheel. Returns the folder where it is unpacked, and its version."""
    _run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(BUILD / "wheel"))
    (wheel,) = (BUILD / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(BUILD / "wheel" / "sources")
    return BUILD / "wheel" / "sources", wheel.name.split("-")[1]


def _modules(bundle: Path) -> set[str]:
    """Names of the Python modules inside the executable."""
    from PyInstaller.archive.readers import CArchiveReader  # noqa: PLC0415

    archive = CArchiveReader(str(bundle / "densenoiser"))
    return {name for name in archive.open_embedded_archive("PYZ.pyz").toc if not name.startswith("pyi")}


def _package(kind: str, version: str, machine: str) -> Path:
    """Lets nfpm make a package of this kind."""
    release = platform.machine()
    name = {
        "deb": f"densenoiser_{version}-1_{machine}.deb",
        "rpm": f"densenoiser-{version}-1.{release}.rpm",
        "archlinux": f"densenoiser-{version}-1-{release}.pkg.tar.zst",
    }[kind]
    nfpm = str(BUILD / "venv" / "bin" / "nfpm")
    _run(nfpm, "package", "--config", str(HERE / "nfpm.yaml"), "--packager", kind, "--target", str(DIST / name))
    return DIST / name


def _tarball(version: str, epoch: int) -> Path:
    """The same files with install.sh, for systems without any of these package managers."""
    top = f"densenoiser-{version}-{platform.machine()}"
    path = DIST / f"{top}.tar.gz"

    def settled(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = epoch
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        archive.add(HERE / "install.sh", f"{top}/install.sh", filter=settled)
        archive.add(BUILD / "root" / "licences", f"{top}/LICENSE", filter=settled)
        for folder in ("etc", "usr"):
            archive.add(BUILD / "root" / folder, f"{top}/{folder}", filter=settled)
        archive.add(BUILD / "root" / "zsh", f"{top}/usr/share/zsh/site-functions", filter=settled)
    return path


def _report(bundle: Path, packages: list[Path]) -> dict[str, str]:
    """Writes SHA256SUMS, and says what the bundle consists of and how large each package is."""
    parts: dict[str, int] = {}
    for path in bundle.rglob("*"):
        if path.is_file() and not path.is_symlink():
            inner = path.relative_to(bundle).parts
            part = inner[1].removesuffix(".libs") if len(inner) > 2 else inner[-1]
            parts[part] = parts.get(part, 0) + path.stat().st_size
    for part, size in sorted(parts.items(), key=lambda item: -item[1]):
        if size > 500_000:
            say(f"{size / 1e6:8.1f} MB  {part}")
    say(f"{sum(parts.values()) / 1e6:8.1f} MB  in all, unpacked")
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in packages}
    (DIST / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    for path in packages:
        say(f"{path.stat().st_size / 1e6:8.1f} MB  {path.relative_to(ROOT)}  {digests[path.name][:16]}")
    return digests


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _run(*command: str) -> str:
    """Runs a command and returns what it printed. If it fails, ends this program with the command's output."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
