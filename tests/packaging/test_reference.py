"""Man pages and completions: up to date with the parsers, readable by man and by the shells, and of use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from densenoiser_daemon.command.cli import build_parser
from densenoiser_daemon.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SHARE = ROOT / "packaging" / "share"


def run(*command: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)


def test_they_are_what_the_parsers_say() -> None:
    done = run(sys.executable, ROOT / "packaging" / "reference.py", "--check")
    assert (done.returncode, done.stdout) == (0, ""), "out of date; run: python packaging/reference.py"


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
@pytest.mark.parametrize("page", sorted((SHARE / "man" / "man1").iterdir()), ids=lambda path: path.name)
def test_man_shows_the_page_without_a_warning(page: Path) -> None:
    done = run("man", "--warnings", "--local-file", page)
    assert (done.returncode, done.stderr) == (0, "")
    assert page.stem in done.stdout


def test_the_page_names_every_command_and_the_exit_codes() -> None:
    text = (SHARE / "man" / "man1" / "densenoiser.1").read_text().replace("\\", "")
    (commands,) = (action.choices for action in build_parser(wanted="")._actions if action.dest == "command")
    assert commands is not None
    assert [name for name in commands if f"densenoiser {name}" not in text] == []
    assert "7 densenoised is not running" in " ".join(text.split())


def test_the_pages_explain_every_setting() -> None:
    text = (SHARE / "man" / "man1" / "densenoised.1").read_text()
    assert [field.name for field in fields(Settings) if f".B {field.name}\n" not in text] == []


SCRIPTS = [
    path for folder in ("bash-completion", "zsh", "fish") for path in sorted((SHARE / folder).rglob("*densenoise*"))
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(SHARE)))
def test_the_shell_can_read_it(script: Path) -> None:
    shell = script.relative_to(SHARE).parts[0].removesuffix("-completion")
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = run(shell, "-n", script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (["densenoiser", "st"], {"status", "strength"}),
        (["densenoiser", "status", "--"], {"--help", "--json", "--verbose", "--watch"}),
        (["densenoiser", "doctor", "--f"], {"--fix"}),
    ],
)
def test_bash_completes_commands_and_options(words: list[str], offers: set[str]) -> None:
    script = SHARE / "bash-completion" / "completions" / "densenoiser"
    asked = f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
    asked += "$(complete -p densenoiser | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' \"${COMPREPLY[@]}\""
    done = run("bash", "--norc", "-c", asked)
    assert {word.strip() for word in done.stdout.splitlines()} == offers, done.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_commands() -> None:
    script = SHARE / "fish" / "vendor_completions.d" / "densenoiser.fish"
    done = run("fish", "--no-config", "-c", f"source {script}; complete -C 'densenoiser st'")
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == {"status", "strength"}


LISTS = {
    "mics": [{"name": "usb.mic", "is_default": True}, {"is_default": False, "name": "webcam"}],
    "models": [{"name": "densenet-tiny"}],
    "status": {},
}


@pytest.fixture
def with_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``densenoiser`` first on PATH that lists two microphones and a model, as the real one does."""
    for command, answer in LISTS.items():
        (tmp_path / command).write_text(json.dumps(answer, indent=2), encoding="utf-8")
    program = tmp_path / "densenoiser"
    program.write_text(f'#!/bin/sh\nexec cat "{tmp_path}/$1"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


VALUES = [
    ("mic", {"auto", "usb.mic", "webcam"}),
    ("model", {"densenet-tiny"}),
    ("strength", {"full", "0", "6", "12", "20", "30"}),
]


@pytest.mark.usefixtures("with_daemon")
@pytest.mark.parametrize(("command", "offers"), VALUES)
def test_bash_completes_microphones_models_and_strengths(command: str, offers: set[str]) -> None:
    test_bash_completes_commands_and_options(["densenoiser", command, '""'], offers)


@pytest.mark.usefixtures("with_daemon")
@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(("command", "offers"), VALUES)
def test_fish_completes_microphones_models_and_strengths(command: str, offers: set[str]) -> None:
    script = SHARE / "fish" / "vendor_completions.d" / "densenoiser.fish"
    done = run("fish", "--no-config", "-c", f"source {script}; complete -C 'densenoiser {command} '")
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == offers
