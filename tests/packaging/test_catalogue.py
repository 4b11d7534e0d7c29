"""Nothing that users read is left out of the translation."""

from __future__ import annotations

import ast
import gettext
import importlib.util
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Message

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("daemon/densenoiser_daemon", "tray/densenoiser_tray")
FOR_USERS = ("files/enhance", "files/audio_file", "strength", "model_file", "provider", "denoiser")
"""Modules of densenoiser_models that speak to everybody; those for training and evaluation speak English."""
SPEAKING = {
    "ArgumentParser", "add_argument", "add_argument_group", "add_parser", "add_mutually_exclusive_group",
    "say", "print", "Item", "Notification", "Finding", "command",
}  # fmt: skip
"""Calls whose text a user reads."""
TECHNICAL = {
    "type",
    "action",
    "dest",
    "prog",
    "choices",
    "nargs",
    "metavar",
    "version",
    "default",
    "sep",
    "end",
    "usage",
}


def _load_catalogue() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogue", ROOT / "packaging" / "catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


catalogue = _load_catalogue()
EXTRACTED: list[Message] = [message for message in catalogue.extracted() if message.id]
LANGUAGES: dict[str, Path] = catalogue.languages()


def identity(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def test_no_message_hides_in_an_f_string() -> None:
    """Before Python 3.12 an f-string is one token, and what is in it is not extracted."""
    hidden = [
        f"{path}:{call.lineno}"
        for package in ("daemon", "models", "tray")
        for path in (ROOT / package).rglob("*.py")
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(text, ast.JoinedStr)
        for call in ast.walk(text)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"_", "ngettext"}
    ]
    assert hidden == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_string_is_left_out(language: str) -> None:
    known = catalogue.read(language, LANGUAGES[language])
    missing = []
    for message in EXTRACTED:
        found = known.get(message.id)
        translations = found.string if found and isinstance(found.string, (tuple, list)) else (found and found.string,)
        if found is None or found.fuzzy or not all(translations):
            missing.append(identity(message))
    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_left_over(language: str) -> None:
    wanted = {identity(message) for message in EXTRACTED}
    assert {identity(m) for m in catalogue.read(language, LANGUAGES[language]) if m.id} - wanted == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_placeholders(language: str) -> None:
    for message in catalogue.read(language, LANGUAGES[language]):
        if not message.id:
            continue
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        translations = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        wanted = placeholders(originals[-1])
        assert [placeholders(t) for t in translations] == [wanted] * len(translations), identity(message)


def placeholders(text: str) -> set[str]:
    """Names in {braces} and %(percent)s forms; the text may use either."""
    percent = set(re.findall(r"%(?:\(\w+\))?[sdgr]", text))
    braces = {name for _, name, _, _ in string.Formatter().parse(text) if name} if "%(" not in text else set()
    return percent | braces


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_speak_every_language(program: str) -> None:
    catalogue.compile_catalogues()
    for language in LANGUAGES:
        spoken = gettext.translation("densenoiser", ROOT / program / "locale", [language])
        assert spoken.gettext("usage: ") != "usage: "


def test_the_command_line_speaks_russian() -> None:
    catalogue.compile_catalogues()
    command = [sys.executable, "-m", "densenoiser_tray.main", "--help"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={"LANGUAGE": "ru", "LANG": "C.UTF-8"}
    )
    assert done.stdout.startswith("использование: densenoiser-tray")
    words = re.findall(r"(?<![-\w])[a-z]{4,}(?![-\w])", re.sub(r"--?[\w-]+", "", done.stdout))
    assert set(words) <= {"densenoiser", "tray"}


def unmarked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each literal of at least two words that a speaking call gets without ``_``."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function, args=spoken, keywords=keywords) if _name(function) in SPEAKING:
                spoken = [*spoken, *(k.value for k in keywords if k.arg not in TECHNICAL)]
            case ast.Tuple(elts=[ast.Attribute(value=ast.Name(id="State")), *spoken]):
                pass  # a state and its reason
            case _:
                continue
        for argument in spoken:
            for text in _literals(argument):
                if _is_prose(text):
                    yield node.lineno, text


def _literals(node: ast.AST) -> Iterator[str]:
    """String literals in an expression that are shown as they are: not looked up, compared, or inside another call."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from _literals(part)
        case ast.BinOp(left=left, right=right):
            yield from _literals(left)
            yield from _literals(right)
        case ast.IfExp(body=body, orelse=otherwise):
            yield from _literals(body)
            yield from _literals(otherwise)
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            yield from _literals(value)


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _raised_unmarked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The same for errors that the user reads: those of the package's own tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and _name(node.exc.func) in OWN_ERRORS:
            for text in (text for argument in node.exc.args for text in _literals(argument)):
                if _is_prose(text):
                    yield node.lineno, text


def _is_prose(text: str) -> bool:
    """At least two words, parted by a space; names, options, placeholders and commands to type are none."""
    if text.split()[:1] in (["densenoiser"], ["systemctl"], ["pactl"]):
        return False
    return (
        len([word for word in re.sub(r"\{[^}]*\}", "", text).split() if re.fullmatch(r"\W?[A-Za-z]{2,}\W?", word)]) >= 2
    )


OWN_ERRORS = {
    node.name
    for node in ast.walk(ast.parse((ROOT / "daemon/densenoiser_daemon/errors.py").read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef)
} | {"BusError", "RefusedError", "ModelError", "ModelNotFoundError", "AudioFileError", "ArgumentTypeError"}


def sources() -> list[Path]:
    models = (ROOT / "models" / "densenoiser_models" / f"{name}.py" for name in FOR_USERS)
    return [*models, *sorted(path for program in PROGRAMS for path in (ROOT / program).rglob("*.py"))]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_users_read_is_marked(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [*unmarked(tree), *_raised_unmarked(tree)] == []


def test_the_search_for_unmarked_text_finds_some() -> None:
    tree = ast.parse(
        "say('all is well')\nsay(_('all is well'))\nItem(f'{x} is gone now')\nprint('--json')\n"
        "parser.add_argument('--x', help='in plain English')\nraise DeviceError('no microphone')\n"
        "state, reason = State.WAITING, fault or 'not yet ready'\n"
    )
    assert sorted(line for line, _ in unmarked(tree)) == [1, 3, 5, 7]
    assert [line for line, _ in _raised_unmarked(tree)] == [6]
