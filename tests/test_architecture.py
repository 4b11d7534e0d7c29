"""Imports run one way: between the packages, and between the rooms of each package."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"models": "densenoiser_models", "daemon": "densenoiser_daemon", "tray": "densenoiser_tray"}
FORBIDDEN = {
    "models": {"densenoiser_daemon", "densenoiser_tray", "pulsectl", "sounddevice", "dbus_fast", "pystray"},
    "daemon": {"densenoiser_tray", "pystray", "torch"},
    "tray": {"densenoiser_daemon", "densenoiser_models", "pulsectl", "sounddevice", "onnxruntime", "torch"},
}

LEAVES = {"errors", "i18n", "status"}
DAEMON_ROOMS: Mapping[str, set[str]] = {
    "errors": set(),
    "i18n": set(),
    "log_lines": set(),
    "status": set(),
    "bus": set(),
    "system": LEAVES,
    "settings": {"system", *LEAVES},
    "audio": {"settings", *LEAVES},
    "engine": {"audio", "settings", *LEAVES},
    "hearing": {"engine", *LEAVES},
    "control": {"audio.backend", "audio.microphone_choice", "bus", "hearing", "settings", *LEAVES},
    "command.doctor": {"audio", "bus", "command", "settings", "system", *LEAVES},
    "command": {"bus", "settings", "system", *LEAVES},
    "measurement": {"audio.pulse.virtual_microphone", "system.system_package", *LEAVES},
    "list_devices": {"audio.backend", *LEAVES},
    "command_line": {"settings", *LEAVES},
    "daemon": {"audio.backend", "engine", "hearing", "settings", "system", *LEAVES},
    "main": {
        "audio",
        "command_line",
        "control",
        "daemon",
        "hearing",
        "list_devices",
        "log_lines",
        "measurement",
        "settings",
        "system",
        *LEAVES,
    },
}
"""What each room of the daemon may import, besides itself. The composition root, main.py, builds everything."""

CORE = {
    "arguments", "bands", "bundle", "denoiser", "errors", "external_data", "frame", "mask_graph", "model_file", "provider",
    "shown_text", "stft", "strength",
}  # fmt: skip
"""The streaming engine at the root of the models package, which knows no room."""
MODEL_ROOMS: Mapping[str, set[str]] = {
    **dict.fromkeys(CORE, CORE),
    "signal": CORE,
    "engines": {"signal", *CORE},
    "files": {"engines", *CORE},
    "networks": CORE,
    "corpus": {"signal", *CORE},
    "evaluation": {"corpus", "engines", "files", "signal", *CORE},
    "training": {"corpus", "evaluation", "networks", "signal", *CORE},
}
"""What each room of the models may import, besides itself."""

LONGEST_FILE = 300
LONG_FILES = {
    "daemon/densenoiser_daemon/audio/pulse/streams.py",  # the binding, whole
}


def imported(path: Path) -> set[str]:
    """Top-level names of what a file imports from outside its package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def inner_imports(package: Path) -> Iterator[tuple[str, str]]:
    """Each import inside a package: the importing and the imported module, as dotted names from the package on."""
    modules = {
        ".".join(p.relative_to(package).with_suffix("").parts).removesuffix(".__init__") for p in package.rglob("*.py")
    }
    for path in package.rglob("*.py"):
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = module.split(".")[: -node.level]
            target = [*base, *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                inner = ".".join([*target, alias.name])
                found = inner if inner in modules else ".".join(target)
                if found:
                    yield module.removesuffix(".__init__"), found


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def broken_walls(package: Path, rooms: Mapping[str, set[str]]) -> list[str]:
    """Imports that no room allows. A module belongs to the room with the longest name that fits."""
    broken = []
    for module, target in inner_imports(package):
        fitting = [room for room in rooms if is_in(module, room)]
        if not fitting:
            broken.append(f"{module} is in no room")
            continue
        room = max(fitting, key=len)
        if not any(is_in(target, allowed) for allowed in {room, *rooms[room]}):
            broken.append(f"{module} imports {target}")
    return sorted(set(broken))


@pytest.mark.parametrize("folder", sorted(PACKAGES))
def test_imports_between_packages_run_one_way(folder: str) -> None:
    files = list((ROOT / folder / PACKAGES[folder]).rglob("*.py"))
    assert len(files) > 3
    wrong = {str(path.relative_to(ROOT)): found for path in files if (found := imported(path) & FORBIDDEN[folder])}
    assert not wrong


@pytest.mark.parametrize(("folder", "rooms"), [("daemon", DAEMON_ROOMS), ("models", MODEL_ROOMS)])
def test_rooms_import_only_what_lies_below_them(folder: str, rooms: Mapping[str, set[str]]) -> None:
    assert broken_walls(ROOT / folder / PACKAGES[folder], rooms) == []


def test_a_broken_wall_is_found(tmp_path: Path) -> None:
    for name, text in {
        "__init__.py": "",
        "errors.py": "",
        "audio/__init__.py": "",
        "audio/streams.py": "from ..errors import Error\nfrom ..engine import loop\n",
        "engine/__init__.py": "",
        "engine/loop.py": "from ..audio.streams import Stream\nfrom .. import errors\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    rooms = {"errors": set[str](), "audio": {"errors"}, "engine": {"audio", "errors"}}
    assert broken_walls(tmp_path, rooms) == ["audio.streams imports engine.loop"]


def test_the_window_needs_pygobject_alone() -> None:
    """Packages run it with the distribution's Python. Of the tray it takes what is words and pure functions."""
    folder = ROOT / "tray"
    outside = set(sys.stdlib_module_names) | {"gi", "densenoiser_tray"}
    waiting = [*(folder / "densenoiser_window").rglob("*.py")]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        assert imported(path) <= outside, path
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("densenoiser_tray"):
                module = folder.joinpath(*(node.module or "").split("."))
                found = [module / f"{alias.name}.py" for alias in node.names] + [module.with_suffix(".py")]
                waiting += [file for file in found if file.is_file() and file not in seen]
            elif isinstance(node, ast.ImportFrom) and node.level and path.parent.name == "densenoiser_tray":
                names = [node.module] if node.module else [alias.name for alias in node.names]
                waiting += [f for n in names if (f := path.with_name(f"{n}.py")).is_file() and f not in seen]
    assert folder / "densenoiser_tray" / "status.py" in seen


def test_torch_stays_in_training() -> None:
    package = ROOT / "models" / "densenoiser_models"
    users = {path.relative_to(package).parts[0] for path in package.rglob("*.py") if "torch" in imported(path)}
    assert users <= {"networks", "corpus", "training", "evaluation"}


def python_files() -> list[Path]:
    folders = ("daemon", "models", "tray", "packaging", "tests")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_every_module_says_what_it_holds() -> None:
    silent = [
        str(p.relative_to(ROOT)) for p in python_files() if not ast.get_docstring(ast.parse(p.read_text("utf-8")))
    ]
    assert not silent


def test_a_file_can_be_read_in_one_sitting() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in python_files()}
    too_long = {name for name, length in lengths.items() if length > LONGEST_FILE}
    assert too_long == LONG_FILES, "a file that has become short enough leaves the list"
