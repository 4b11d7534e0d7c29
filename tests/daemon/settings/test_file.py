"""The settings file: what is read, what is refused and how, what a write keeps, what a crash leaves."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from densenoiser_daemon.settings.file import SettingsFile, default_path
from densenoiser_daemon.settings.settings import Settings

DEFAULTS = Settings()


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    return SettingsFile(tmp_path / "densenoiser" / "settings.toml")


def write(file: SettingsFile, content: str | bytes) -> None:
    file.path.parent.mkdir(exist_ok=True)
    file.path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_the_file_lies_under_the_xdg_configuration_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_path() == tmp_path / "densenoiser" / "settings.toml"


def test_no_file_means_defaults(file: SettingsFile) -> None:
    assert file.load() == DEFAULTS
    assert file.problems == ()


def test_everything_comes_back(file: SettingsFile) -> None:
    wanted = Settings(
        enabled=False,
        muted=True,
        strength_db=12.5,
        microphone="alsa_input.usb-Ångström 7",
        model="/home/me/voice.onnx",
        provider="cpu",
        microphone_strengths=MappingProxyType({"alsa_input.usb.0": 6.0, "bluez_input.1": math.inf}),
    )
    file.save(DEFAULTS, wanted)
    assert file.load() == wanted
    assert file.problems == ()
    file.save(wanted, replace(wanted, strength_db=math.inf, microphone_strengths=MappingProxyType({})))
    assert file.load() == replace(wanted, strength_db=math.inf, microphone_strengths=MappingProxyType({}))
    assert 'strength_db = "full"' in file.path.read_text()


def test_a_write_changes_its_own_line_alone(file: SettingsFile) -> None:
    text = "# mine\nmuted = false   # never\n\n  [microphone_strengths]\nheadset = 6 # quiet room\n"
    write(file, text)
    before = file.load()
    file.save(before, replace(before, muted=True))
    assert file.path.read_text() == text.replace("false", "true")
    file.save(replace(before, muted=True), replace(before, muted=True, model="other"))
    assert "# mine\nmuted = true   # never\n" in file.path.read_text()
    assert "headset = 6 # quiet room" in file.path.read_text()
    assert file.load() == replace(before, muted=True, model="other")


def test_what_this_run_alone_wants_is_not_stored(file: SettingsFile) -> None:
    """The command line's strength is in force, but not in the file, when another setting changes."""
    running = replace(DEFAULTS, strength_db=3.0)
    file.save(running, replace(running, muted=True))
    assert file.load() == replace(DEFAULTS, muted=True)


HOSTILE: list[tuple[str | bytes, int, str, Settings]] = [
    ("# a\n\nmutd = true\nenabled = false\n", 3, "did you mean 'muted'?", replace(DEFAULTS, enabled=False)),
    ("enabled = 1\nmuted = true\n", 1, "enabled: must be true or false, is 1", replace(DEFAULTS, muted=True)),
    ("strength_db = -3\n", 1, "must be a number of dB from 0 up, or 'full'; is -3", DEFAULTS),
    ("strength_db = nan\n", 1, "is nan", DEFAULTS),
    ("strength_db = true\n", 1, "is True", DEFAULTS),
    ('provider = "gpu"\n', 1, "must be one of auto, cpu, cuda; is 'gpu'; did you mean", DEFAULTS),
    ("muted = true\nmicrophone = 7\n", 2, "must be a name in quotes, is 7", replace(DEFAULTS, muted=True)),
    ('microphone = "a\\u0000b"\n', 1, "must be a name in quotes", DEFAULTS),
    (f'model = "{"x" * 5000}"\n', 1, "must be a name in quotes", DEFAULTS),
    ("model = [\n'a',\n]\n", 1, "must be a name in quotes", DEFAULTS),
    ("microphone_strengths = 3\n", 1, "must be a table", DEFAULTS),
    (
        "[microphone_strengths]\na = 3\n\nb = 'loud'\n",
        4,
        "microphone_strengths.b: must be",
        replace(DEFAULTS, microphone_strengths=MappingProxyType({"a": 3.0})),
    ),
    ("version = 'one'\n", 1, "version must be 1", DEFAULTS),
    ("muted = true\n[muted2]\nx = 1\n", 2, "unknown key 'muted2'", replace(DEFAULTS, muted=True)),
    (f"{'x' * 9000} = 1\n", 1, "unknown key 'xxx", DEFAULTS),
    (f"version = 0x{'f' * 9000}\n", 0, "a number too long to show", DEFAULTS),
    (f"\nmuted = 0x{'f' * 9000}\n", 2, "a number too long to show", DEFAULTS),
    (f"provider = 0x{'f' * 9000}\n", 1, "provider", DEFAULTS),
    ("\ufeff# marked\nmuted = 3\nenabled = false\n", 2, "muted: must be", replace(DEFAULTS, enabled=False)),
    (
        '\n# "quoted\n\nmicrophone_strengths.a = 1 # [\nmicrophone_strengths."b ]#" = [\n"""x]\n""""", "\\"]",\n]\n',
        5,
        "microphone_strengths.b ]#: must be",
        replace(DEFAULTS, microphone_strengths=MappingProxyType({"a": 1.0})),
    ),
    (
        "[microphone_strengths]\r\na = 3\r\n\r\n[[moods]]\r\nb = 1\r\n[[moods]]\r\n",
        4,
        "unknown key 'moods'",
        replace(DEFAULTS, microphone_strengths=MappingProxyType({"a": 3.0})),
    ),
]


@pytest.mark.parametrize(("content", "line", "words", "expected"), HOSTILE)
def test_a_fault_is_named_with_its_line_and_costs_its_key_alone(
    file: SettingsFile, content: str, line: int, words: str, expected: Settings
) -> None:
    write(file, content)
    assert file.load() == expected
    (problem,) = file.problems
    assert problem.startswith(f"{file.path}:{line}: " if line else str(file.path))
    assert words in problem
    assert len(problem) < 500


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("muted = \n", "line 1"),
        ("muted = true\nmuted = false\n", "line 2"),
        (b"\xff\xfe\x00", "byte 0 is not UTF-8"),
        ("# " + "x" * 20_000, "larger than 16384 bytes"),
        (f"strength_db = {'9' * 5000}\n", "not valid TOML"),
        ("model = " + "[" * 3000, "not valid TOML"),
        ("\x00", "not valid TOML"),
    ],
)
def test_a_file_that_is_no_toml_means_defaults_and_one_clear_sentence(
    file: SettingsFile, content: str | bytes, words: str
) -> None:
    write(file, content)
    assert file.load() == DEFAULTS
    (problem,) = file.problems
    assert str(file.path) in problem
    assert words in problem


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        "\n" * 16_000 + "mood = 1\n",
        "".join(f"a{n}=1\n" for n in range(2000)),
        "[microphone_strengths]\n" + "".join(f"a{n}=-1\n" for n in range(1800)),
        "mood = [\n" + "1,\n" * 5000 + "]\n",
        "a." * 8000 + "a = 1\n",
        "".join(f"[t{n}]\n" for n in range(2000)),
    ],
    ids=["lines", "keys", "strengths", "array", "dots", "tables"],
)
def test_no_file_holds_up_the_start(file: SettingsFile, content: str) -> None:
    """Each once took minutes, or would have without its limit."""
    write(file, content)
    started = time.process_time()
    assert file.load() == DEFAULTS
    assert time.process_time() - started < 3.0
    assert 1 <= len(file.problems) <= 21
    assert max(map(len, file.problems)) < 500
    file.save(DEFAULTS, replace(DEFAULTS, muted=True))
    assert file.load().muted is True


def test_many_faults_hide_no_good_key(file: SettingsFile) -> None:
    faults = "".join(f"a{number} = -1\n" for number in range(100))
    write(file, f"mood = 1\nversion = 'x'\nmuted = true\n[microphone_strengths]\nmine = 5\n{faults}")
    assert file.load() == replace(DEFAULTS, muted=True, microphone_strengths=MappingProxyType({"mine": 5.0}))
    assert file.problems[-1].endswith("there may be more faults; mend these first")
    assert f"{file.path}:2: version must be 1" in file.problems[0]


def test_no_value_makes_loading_fail(file: SettingsFile) -> None:
    """Every key with every kind of value, once each and all together."""
    values = [
        "0x" + "f" * 5000,
        "-1",
        "1e999",
        "nan",
        "true",
        '""',
        '"\\u0000"',
        "[]",
        "[[1], {a = 1}]",
        "{}",
        "{a = {b = 1}}",
    ]
    values += ["1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "[0x" + "f" * 5000 + "]", '"full"', "'auto'"]
    for name in (
        "version",
        "microphone_strengths",
        "enabled",
        "muted",
        "strength_db",
        "microphone",
        "model",
        "provider",
    ):
        for value in values:
            write(file, f"{name} = {value}\n")
            before = file.load()
            assert len(file.problems) <= 1
            changed = replace(before, enabled=not before.enabled, strength_db=1.0, microphone_strengths={"a": 2.0})
            if name != "version":
                file.save(before, changed)
                assert file.load() == changed


def test_a_byte_order_mark_is_kept(file: SettingsFile) -> None:
    write(file, b"\xef\xbb\xbfmuted = false\n")
    before = file.load()
    assert file.problems == ()
    file.save(before, replace(before, muted=True))
    assert file.path.read_bytes() == b"\xef\xbb\xbfmuted = true\n"
