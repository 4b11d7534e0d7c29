"""What the packages hold and where, their licences and their scripts, without building one."""

from __future__ import annotations

import gzip
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "packaging" / "packages"
ENTRY = "org.densenoiser.DenseNoiser.desktop"
EPOCH = 1_700_000_000
SCRIPTS = [PACKAGES / "install.sh", PACKAGES / "densenoiser-window", *sorted((PACKAGES / "scripts").glob("*.sh"))]


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"packages_{name}", PACKAGES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a package holds, around a bundle of one file."""
    work = tmp_path_factory.mktemp("packages")
    bundle, sources = work / "bundle", work / "sources"
    for package in ("densenoiser_daemon", "densenoiser_tray"):
        (bundle / "_internal" / package).mkdir(parents=True)
    (bundle / "densenoiser").write_bytes(b"\x7fELF")
    for package in ("densenoiser_window", "densenoiser_tray"):
        shutil.copytree(ROOT / "tray" / package, sources / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "packaging" / "share", sources / "densenoiser_daemon" / "share")
    catalogue = sources / "densenoiser_daemon/locale/ru/LC_MESSAGES/densenoiser.mo"
    catalogue.parent.mkdir(parents=True)
    catalogue.touch()
    (sources / "densenoiser-1.dist-info").mkdir()
    (sources / "densenoiser-1.dist-info/METADATA").write_text("Metadata-Version: 2.4\nName: densenoiser\nVersion: 1\n")
    module("layout").lay_out(work / "root", bundle, sources, "licences\n", EPOCH)
    return work / "root"


@pytest.mark.parametrize(
    "path",
    [
        f"etc/xdg/autostart/{ENTRY}",
        f"usr/share/applications/{ENTRY}",
        "usr/bin/densenoiser-window",
        "usr/lib/densenoiser/50-confine-files.conf",
        "usr/lib/systemd/user-preset/90-densenoiser.preset",
        "usr/lib/systemd/user/densenoised.service",
        "usr/share/bash-completion/completions/densenoiser",
        "usr/share/dbus-1/services/org.densenoiser.Daemon1.service",
        "usr/share/locale/ru/LC_MESSAGES/densenoiser.mo",
        "zsh/_densenoiser",
    ],
)
def test_everything_lies_in_its_place(root: Path, path: str) -> None:
    assert (root / path).is_file()
    assert (root / path).stat().st_mtime == EPOCH
    assert b"@bindir@" not in (root / path).read_bytes()


def test_the_programs_are_names_of_the_one_executable(root: Path) -> None:
    for name in ("densenoised", "densenoiser", "densenoiser-tray"):
        assert (root / "usr/bin" / name).resolve() == root / "usr/lib/densenoiser/densenoiser"
        assert os.access(root / "usr/bin" / name, os.X_OK)
    assert "ExecStart=/usr/bin/densenoised" in (root / "usr/lib/systemd/user/densenoised.service").read_text().replace(
        '"', ""
    )
    assert gzip.decompress((root / "usr/share/man/man1/densenoised.1.gz").read_bytes()).startswith(b".")


def test_the_translations_are_found_from_each_part(root: Path) -> None:
    for folder in ("usr/lib/densenoiser/_internal/densenoiser_daemon", "usr/share/densenoiser/densenoiser_tray"):
        assert (root / folder / "locale/ru/LC_MESSAGES/densenoiser.mo").is_file()


def test_the_window_needs_nothing_but_the_systems_python(root: Path) -> None:
    python = Path("/usr/bin/python3")
    if not python.exists() or subprocess.run([python, "-c", "import gi"], check=False, capture_output=True).returncode:
        pytest.skip("the system's Python has no PyGObject")
    # Every module, for some are only imported inside functions.
    modules = [path.stem for path in (root / "usr/share/densenoiser/densenoiser_window").glob("[!_]*.py")]
    code = f"""
import importlib, sys
sys.path[:] = [path for path in sys.path if not path.startswith("/usr/local")] + ["{root}/usr/share/densenoiser"]
import gi
for name, version in (("Gtk", "4.0"), ("Adw", "1")):
    gi.require_version(name, version)
for name in {modules}:
    importlib.import_module("densenoiser_window." + name)
"""
    done = subprocess.run([python, "-I", "-B", "-c", code], check=False,
                          capture_output=True, text=True, cwd="/")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "main" in modules


def test_a_part_without_a_known_origin_stops_the_build(tmp_path: Path) -> None:
    licences = module("licences")
    (tmp_path / "_internal").mkdir()
    with pytest.raises(licences.UnknownOriginError, match="no_such_package"):
        licences._origins({"no_such_package"}, tmp_path)


def test_a_package_without_a_licence_text_stops_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    licences = module("licences")
    monkeypatch.setattr(licences.metadata, "files", lambda name: [])
    with pytest.raises(licences.UnknownOriginError, match=r"packaging/packages/licences/nothing\.txt"):
        licences._texts("nothing")
    monkeypatch.setattr(licences, "HERE", tmp_path)
    (tmp_path / "licences").mkdir()
    (tmp_path / "licences/nothing.txt").write_text("Do what you like.\n")
    assert licences._texts("nothing") == "Do what you like.\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_sound(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True)


def test_the_arch_recipe_is_sound(tmp_path: Path) -> None:
    subprocess.run(["bash", "-n", PACKAGES / "PKGBUILD"], check=True)
    share = (str(tmp_path), str(ROOT / "packaging" / "share"))
    subprocess.run([sys.executable, str(PACKAGES / "layout.py"), *share], check=True)
    assert (tmp_path / "usr/lib/systemd/user/densenoised.service").is_file()
    assert (tmp_path / "zsh").is_dir()


def test_the_tarball_comes_and_goes(root: Path, tmp_path: Path) -> None:
    tarball, target = tmp_path / "tarball", tmp_path / "target"
    for folder in ("usr", "etc"):
        shutil.copytree(root / folder, tarball / folder, symlinks=True)
    shutil.copy(PACKAGES / "install.sh", tarball)

    def install(*words: str) -> int:
        environment = {**os.environ, "DESTDIR": str(target)}
        return subprocess.run(["sh", tarball / "install.sh", *words], check=False, env=environment).returncode

    assert install("--uninstall") == 1, "nothing is there yet"
    assert install() == 0
    assert "/usr/local/bin/densenoised" in (target / "usr/local/lib/systemd/user/densenoised.service").read_text()
    assert f"{target}" not in (target / "etc/xdg/autostart" / ENTRY).read_text()
    assert install() == 0, "a second time replaces the first"
    assert install("--uninstall") == 0
    assert [path for path in target.rglob("*") if not path.is_dir()] == []
    assert not (target / "usr/local/lib/densenoiser").exists()
