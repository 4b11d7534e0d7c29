"""Makes foreign text safe to show: names of devices and applications, errors of other programs. This module imports fast."""

from __future__ import annotations

import json
import re

_GAPS = re.compile(r"[^\S ]+")
"""White space other than the plain space: it would begin a line or leave a column."""
_UNSHOWN = r"\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
"""Delete and the C1 controls, what turns the writing direction of all that follows, and halves of characters."""
_CONTROLS = re.compile(rf"[\x00-\x1f{_UNSHOWN}]")
_CONTROLS_IN_JSON = re.compile(rf"[\u2028\u2029{_UNSHOWN}]")


def one_line(text: object) -> str:
    """``text`` in one line that controls no terminal: gaps of any kind are a space, controls are spelled, such as ``\\x1b``."""
    return _CONTROLS.sub(_spelled, _GAPS.sub(" ", str(text)))


def safe_json(value: object, indent: int | None = None) -> str:
    """``value`` as JSON that people can read and that controls no terminal. ValueError as of ``json.dumps``."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _CONTROLS_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
