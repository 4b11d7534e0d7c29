"""``densenoiser-window`` as a person uses it who sees it through a screen reader, or has no mouse."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]


class Window:
    """A running ``densenoiser-window``."""

    def __init__(self, environment: Mapping[str, str], display: str, is_first: bool = False, *options: str) -> None:
        """In this environment, on this display, without a graphics card and in English unless it says otherwise.

        ``is_first``: nobody has seen its first steps. XDG_CONFIG_HOME is in the environment.
        """
        chosen = Path(environment["XDG_CONFIG_HOME"]) / "densenoiser" / "desktop.ini"
        if not is_first and not chosen.exists():
            chosen.parent.mkdir(parents=True, exist_ok=True)
            chosen.write_text("[desktop]\nfirst-steps = seen\n")
        self.environment = {
            "LANGUAGE": "en",
            **environment,
            "DISPLAY": display,
            "GDK_BACKEND": "x11",
            "GSK_RENDERER": "cairo",
            "GTK_A11Y": "atspi",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "densenoiser_window.main", *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def await_there(self) -> Window:
        """Itself, once it is on the accessibility bus."""
        wait_until(self.tree, 30, "the window is on the accessibility bus")
        return self

    def close(self) -> str:
        """End it; what it printed."""
        self.process.terminate()
        return self.process.communicate(timeout=10)[0]

    def tree(self) -> list[dict[str, Any]]:
        printed = self._probe("tree").stdout
        return [json.loads(line) for line in printed.splitlines()]

    def act(self, role: str, name: str) -> None:
        done = self._probe("act", role, name)
        assert done.returncode == 0, done.stderr

    def set(self, role: str, name: str, value: float) -> None:
        done = self._probe("set", role, name, f"{value}")
        assert done.returncode == 0, done.stderr

    def keys(self, *keys: str) -> None:
        """Press these, one after the other."""
        self.press("DenseNoiser", *keys)

    def press(self, title: str, *keys: str) -> None:
        """The same in a window with another title. No window manager on the display would give it the keyboard."""
        find = ["xdotool", "search", "--onlyvisible", "--name", title, "windowfocus", "--sync"]
        subprocess.run(find, env=self.environment, check=True, capture_output=True)
        subprocess.run(["xdotool", "key", "--delay", "400", *keys], env=self.environment, check=True)

    def shows(self, words: str) -> bool:
        return any(words in (node["name"] or "") for node in self.tree())

    def texts(self) -> list[str]:
        """Everything that is written."""
        return [node["name"] or "" for node in self.tree() if node["role"] == "label"]

    def has(self, role: str, name: str) -> bool:
        return any((node["role"], node["name"]) == (role, name) for node in self.tree())

    def checked(self) -> frozenset[str]:
        """Names of the switches that are on."""
        return frozenset(node["name"] for node in self.tree() if node["checked"])

    def tab_to(self, role: str, name: str) -> None:
        """As a person does who has no mouse."""
        for _press in range(30):
            self.keys("Tab")
            if any(node["focused"] and (node["role"], node["name"]) == (role, name) for node in self.tree()):
                return
        raise AssertionError(f"Tab does not reach the {role} {name}")

    def picture(self, path: Path) -> None:
        subprocess.run(["import", "-window", "root", str(path)], env=self.environment, check=True)

    def _probe(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.support.window_probe", *words]
        return subprocess.run(command, env=self.environment, cwd=ROOT, check=False, capture_output=True, text=True)
