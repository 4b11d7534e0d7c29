"""The lock file: what a packaged build installs, by digest."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "packaging" / "requirements.lock"


def entries() -> list[tuple[Requirement, list[str]]]:
    """Each pinned requirement and its SHA-256 digests."""
    lines = LOCK.read_text(encoding="ascii").replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
            found.append((Requirement(requirement), hashes))
    return found


def runtime_dependencies() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


def test_every_entry_is_one_version_with_digests() -> None:
    assert len(entries()) > 10
    for requirement, hashes in entries():
        assert re.fullmatch(r"==[0-9][0-9A-Za-z.+!]*", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in hashes), requirement


def test_each_runtime_dependency_is_in_it_in_a_version_that_is_allowed() -> None:
    locked: dict[str, list[str]] = {}
    for requirement, _hashes in entries():
        locked.setdefault(canonicalize_name(requirement.name), []).append(str(requirement.specifier).removeprefix("=="))
    for wanted in runtime_dependencies():
        versions = locked.get(canonicalize_name(wanted.name), [])
        assert versions, f"{wanted} is missing: make it again as its head says"
        assert all(wanted.specifier.contains(version) for version in versions), (wanted, versions)
    for line in (ROOT / "packaging" / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            constraint = Requirement(line)
            versions = locked.get(canonicalize_name(constraint.name), [])
            assert all(constraint.specifier.contains(version) for version in versions), (constraint, versions)


def test_nothing_that_is_needed_here_is_missing() -> None:
    """Dependencies of dependencies, as the installed packages name them: pip refuses a lock that lacks one."""
    here = {canonicalize_name(r.name) for r, _h in entries() if r.marker is None or r.marker.evaluate()}
    environment = {key: str(value) for key, value in default_environment().items()} | {"extra": ""}
    waiting = [requirement.name for requirement in runtime_dependencies()]
    seen: set[str] = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        needs = [Requirement(line) for line in metadata.requires(name) or []]
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate(environment)]
    assert seen <= here


def test_it_names_no_place_to_download_from() -> None:
    text = LOCK.read_text(encoding="ascii")
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host|@ ", text)


def test_pip_reads_it() -> None:
    """``--no-index`` looks nowhere: the complaint must be about the first package, not about the file."""
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "download", "--no-index"]
    command += ["--no-deps", "--require-hashes", "--requirement", str(LOCK), "--dest", "/nonexistent"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    first = entries()[0][0]
    assert f"No matching distribution found for {first.name}{first.specifier}" in done.stderr, done.stderr
