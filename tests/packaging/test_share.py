"""The desktop files, judged by the desktop's own validators."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARE = ROOT / "packaging" / "share"
UNIT = SHARE / "systemd" / "user" / "densenoised.service"
DESKTOP = SHARE / "applications" / "org.densenoiser.DenseNoiser.desktop"
METAINFO = SHARE / "metainfo" / "org.densenoiser.DenseNoiser.metainfo.xml"
ICONS = sorted((SHARE / "icons").rglob("*.svg"))


def judge(*command: str | Path, **environment: str) -> str:
    """What the validator printed; skips without it, fails with its words if it is not content."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def filled_in(source: Path, folder: Path) -> Path:
    """As installed: with the programs in a folder whose name has a space."""
    programs = folder / "the programs"
    programs.mkdir(exist_ok=True)
    for name in ("densenoised", "densenoiser", "densenoiser-tray", "densenoiser-window"):
        shutil.copy("/bin/true", programs / name)
    target = folder / source.name
    target.write_text(source.read_text(encoding="utf-8").replace("@bindir@", str(programs)), encoding="utf-8")
    return target


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    filled_in(UNIT, tmp_path)
    shutil.copytree(UNIT.with_name("densenoised.service.d"), tmp_path / "densenoised.service.d")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    command = ("systemd-analyze", "--user", "--man=no", "verify", tmp_path / UNIT.name)
    assert judge(*command, XDG_RUNTIME_DIR=str(runtime)) == ""


def settings_of(path: Path) -> set[str]:
    return {line for line in path.read_text(encoding="utf-8").splitlines() if re.match("[A-Z]", line)}


def test_the_unit_is_confined_as_promised() -> None:
    everywhere = settings_of(UNIT)
    assert everywhere >= {
        "Type=notify", "Restart=on-failure", "MemoryMax=2G", "TasksMax=64", "UMask=0077", "NoNewPrivileges=true",
        "RestrictAddressFamilies=AF_UNIX", "RestrictNamespaces=true", "RestrictSUIDSGID=true", "LockPersonality=true",
        "SystemCallArchitectures=native", "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged",
    }  # fmt: skip
    with_namespaces = settings_of(UNIT.with_name("densenoised.service.d") / "50-confine-files.conf")
    assert with_namespaces == {
        "PrivateUsers=true", "CapabilityBoundingSet=", "ProtectClock=true", "ProtectHostname=true", "PrivateNetwork=true",
        "ProtectSystem=strict", "ProtectHome=read-only", "PrivateTmp=true", "ProtectKernelTunables=true",
        "ProtectKernelModules=true", "ProtectKernelLogs=true", "ProtectProc=invisible", "ProtectControlGroups=true",
        "ConfigurationDirectory=densenoiser", "ConfigurationDirectoryMode=0700", "ReadWritePaths=%t",
    }  # fmt: skip
    # In a user manager these fail at start, or are ignored, unless PrivateUsers is there.
    alone = ("CapabilityBoundingSet=", "Protect", "Private")
    assert not any(line.startswith((*alone, "Requires=", "Wants=", "BindsTo=")) for line in everywhere)


@pytest.mark.parametrize(("confines_files", "most"), [(True, 2.0), (False, 6.5)])
def test_systemd_finds_little_exposed(tmp_path: Path, confines_files: bool, most: float) -> None:
    filled_in(UNIT, tmp_path)
    if confines_files:
        shutil.copytree(UNIT.with_name("densenoised.service.d"), tmp_path / "densenoised.service.d")
    # It takes the unit for root's: 0.4 of the figure, and all about capabilities, is nothing that an ordinary user has.
    command = ("systemd-analyze", "--no-pager", "security", "--offline=true", f"--threshold={round(10 * most)}")
    assert "Overall exposure level" in judge(*command, tmp_path / UNIT.name)


def test_the_menu_entry_is_valid(tmp_path: Path) -> None:
    assert judge("desktop-file-validate", filled_in(DESKTOP, tmp_path)) == ""


def test_the_bus_starts_the_unit_by_its_name() -> None:
    service = configparser.ConfigParser(interpolation=None)
    service.read(SHARE / "dbus-1" / "services" / "org.densenoiser.Daemon1.service")
    section = service["D-BUS Service"]
    assert section["Name"] == "org.densenoiser.Daemon1"
    assert section["SystemdService"] == UNIT.name
    assert f"ExecStart={section['Exec']}" in UNIT.read_text(encoding="utf-8").splitlines()


def test_the_metainfo_is_valid() -> None:
    judge("appstreamcli", "validate", "--no-net", METAINFO)


@pytest.mark.parametrize("path", [*ICONS, METAINFO], ids=lambda path: path.name)
def test_xml_is_well_formed(path: Path) -> None:
    judge("xmllint", "--noout", path)


@pytest.mark.parametrize("path", ICONS, ids=lambda path: path.name)
def test_icons_are_drawn(path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "icon.png"
    judge("rsvg-convert", "--width=48", "--height=48", "--output", picture, path)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_parts_name_each_other() -> None:
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(DESKTOP, encoding="utf-8")
    component = ElementTree.parse(METAINFO).getroot()
    assert component.findtext("launchable") == DESKTOP.name
    assert f"{component.findtext('id')}.desktop" == DESKTOP.name
    assert entry["Desktop Entry"]["Icon"] in {path.stem for path in ICONS}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = {*project["scripts"], *project["gui-scripts"]}
    assert {element.text for element in component.iter("binary")} <= installed


def test_every_word_of_the_entries_is_also_in_russian() -> None:
    text = DESKTOP.read_text(encoding="utf-8")
    for group in text.split("\n\n"):
        english = set(re.findall(r"^(GenericName|Comment|Keywords)=", group, re.M))
        if "[Desktop Action" in group:
            english.add("Name")
        assert english == set(re.findall(r"^(\w+)\[ru\]=", group, re.M))
    for parent in ElementTree.parse(METAINFO).getroot().iter():
        for tag in ("summary", "p"):
            languages = [child.get("{http://www.w3.org/XML/1998/namespace}lang") for child in parent.findall(tag)]
            assert languages.count(None) == languages.count("ru")
