"""Foreign text on its way to a terminal: one line, nothing hidden, nothing that controls."""

from __future__ import annotations

import json

import pytest

from densenoiser_models.shown_text import one_line, safe_json

PLAIN = ["USB Headset", "Микрофон [№ 2] & <Co>", "マイク", "👩‍💻 cam", "می‌کروفون", "a  b"]
NASTY = {
    "a\nb": "a b",
    "a\r\n\tb": "a b",
    "a\u2028b\x85c": "a b c",
    "\x1b[2J\x1b]0;title\x07": r"\x1b[2J\x1b]0;title\x07",
    "\x9b31mred": r"\x9b31mred",
    "abc\u202egpj.exe": r"abc\u202egpj.exe",
    "caf\udce9": r"caf\udce9",
    "\x00\x7f\x08": r"\x00\x7f\x08",
}


@pytest.mark.parametrize("text", PLAIN)
def test_an_honest_name_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


@pytest.mark.parametrize("text", NASTY)
def test_what_controls_is_spelled(text: str) -> None:
    assert one_line(text) == NASTY[text]


@pytest.mark.parametrize("text", [*PLAIN, *NASTY])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_is_the_same_value_and_controls_nothing(text: str, indent: int | None) -> None:
    written = safe_json({text: [text]}, indent)
    assert json.loads(written) == {text: [text]}
    assert all(one_line(line) == line for line in written.split("\n"))
