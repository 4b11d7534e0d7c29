"""Looks at a window, and acts in it, as a screen reader does: over AT-SPI, in a process of its own.

``python -m tests.support.window_probe tree`` prints what there is, a JSON object a line.
``... act ROLE NAME`` does a control's first action; ``... set ROLE NAME VALUE`` gives it a value.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402

warnings.simplefilter("ignore", DeprecationWarning)  # of a getter whose successor older versions lack
APPLICATION = "densenoiser-window"


def nodes(node: Any, depth: int = 0) -> Iterator[Any]:
    yield node
    for place in range(node.get_child_count()) if depth < 40 else ():
        child = node.get_child_at_index(place)
        if child is not None:
            yield from nodes(child, depth + 1)


def applications() -> list[Any]:
    desktop = Atspi.get_desktop(0)
    found = (desktop.get_child_at_index(place) for place in range(desktop.get_child_count()))
    return [node for node in found if node is not None and APPLICATION in (node.get_name() or "")]


def described(node: Any) -> dict[str, Any]:
    states = node.get_state_set()
    value = node.get_value_iface()
    return {
        "role": node.get_role_name(),
        "name": node.get_name(),
        "description": node.get_description(),
        "checked": states.contains(Atspi.StateType.CHECKED),
        "focused": states.contains(Atspi.StateType.FOCUSED),
        "focusable": states.contains(Atspi.StateType.FOCUSABLE),
        "value": value.get_current_value() if value is not None else None,
    }


def find(role: str, name: str) -> Any:
    for application in applications():
        for node in nodes(application):
            if node.get_role_name() == role and node.get_name() == name:
                return node
    raise SystemExit(f"no {role} named {name!r}")


def main(command: str, *words: str) -> None:
    if command == "tree":
        for application in applications():
            for node in nodes(application):
                sys.stdout.write(json.dumps(described(node)) + "\n")
        return
    node = find(*words[:2])
    if command == "act":
        done = node.get_action_iface().do_action(0)
    else:
        done = node.get_value_iface().set_current_value(float(words[2]))
    raise SystemExit(0 if done else f"{words[1]} did nothing")


if __name__ == "__main__":
    main(*sys.argv[1:])
