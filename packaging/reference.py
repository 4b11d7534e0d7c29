"""Makes man pages and shell completions in ``packaging/share`` from the programs' own parsers.

    python packaging/reference.py            write them; run it after changing an option
    python packaging/reference.py --check    only check whether they are up to date

It needs the development dependencies (shtab, argparse-manpage) and the package itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# The generated files are in English and of one width on every machine.
os.environ.update(LANGUAGE="C", COLUMNS="80")

import shtab
from argparse_manpage.manpage import Manpage

from densenoiser_daemon import command_line as densenoised
from densenoiser_daemon import errors
from densenoiser_daemon.command import cli as densenoiser
from densenoiser_daemon.settings.settings import declared
from densenoiser_models import __version__
from densenoiser_tray import main as densenoiser_tray
from densenoiser_window import main as densenoiser_window

SHARE = Path(__file__).resolve().parent / "share"
COMPLETIONS = {
    "bash": "bash-completion/completions/{program}",
    "zsh": "zsh/site-functions/_{program}",
    "fish": "fish/vendor_completions.d/{program}.fish",
}
COMPLETERS = {
    ("mic", "name"): "microphones",
    ("model", "name"): "models",
    ("enhance", "model"): "models",
    ("strength", "strength_db"): "strengths",
    ("enhance", "strength"): "strengths",
    ("densenoised", "device"): "microphones",
    ("densenoised", "model"): "models",
    ("densenoised", "strength"): "strengths",
}
"""What the shell offers for an argument: the command (or program) and the argument's name, and which words."""
# Only status does not start the daemon: pressing Tab must not.
_NAMES = (
    "densenoiser status >/dev/null 2>&1 && densenoiser {command} --json 2>/dev/null | "
    r"""sed -n 's/^ *"name": "\(.*\)",\{{0,1\}}$/\1/p'"""
)
WORDS = {
    "microphones": "echo auto; " + _NAMES.format(command="mics"),
    "models": _NAMES.format(command="models"),
    "strengths": "echo full 30 20 12 6 0 | tr ' ' '\\n'",
}
"""Shell commands that print the words, one a line. They are the same for all three shells."""
FUNCTIONS = {
    "bash": '_densenoiser_{words}() {{\n  compgen -W "$({command})" -- "$1"\n}}',
    "zsh": '_densenoiser_{words}() {{\n  compadd -- ${{(f)"$({command})"}}\n}}',
    "fish": "function __densenoiser_{words}\n  {command}\nend",
}

SUMMARIES = {
    "densenoised": "the noise filter for the microphone, as a service",
    "densenoiser": "control the noise filter, enhance files, find faults",
    "densenoiser-tray": "the noise filter's icon in the panel",
    "densenoiser-window": "the noise filter's window",
}

EXAMPLES = {
    "densenoised": {
        "densenoised": "Filter the microphone that was chosen last, until Ctrl+C.",
        "densenoised --list-devices": "List the microphones.",
        "densenoised --device usb --strength 24": "Filter the one microphone with usb in its name, by at most 24 dB.",
        "densenoised --wait": "Wait for a sound server if none answers yet.",
        "densenoised --backend portaudio --device 2 --output hw:Loopback,0": "Without a sound server, into a virtual cable.",
        "densenoised --demo demo-output": "Filter a noisy recording on a private server, and show what became of it.",
    },
    "densenoiser": {
        "densenoiser status": "Who is listening, what filters, how long the sound takes.",
        "densenoiser toggle": "Switch the filter; made for a hotkey.",
        "densenoiser strength 24": "Remove at most 24 dB of noise.",
        "densenoiser mic usb": "Filter the one microphone with usb in its name.",
        "densenoiser status --json | jq -r .state": "The state, for a script.",
        "densenoiser doctor --fix": "Find out what is wrong, and mend what can be mended.",
        "densenoiser enhance *.flac -o clean/": "Clean recordings.",
    },
    "densenoiser-tray": {"densenoiser-tray": "Show the icon in the panel."},
    "densenoiser-window": {"densenoiser-window": "Open the window."},
}


def pages() -> dict[Path, str]:
    """Maps the path of every generated file under ``SHARE`` to its text."""
    made: dict[Path, str] = {}
    for program in (densenoised, densenoiser, densenoiser_tray, densenoiser_window):
        parser = program.build_parser()
        _complete(parser, parser.prog)
        made[Path(f"man/man1/{parser.prog}.1")] = _man_page(parser)
        for shell, path in COMPLETIONS.items():
            made[Path(path.format(program=parser.prog))] = _completions(parser, shell)
    return made


def _man_page(parser: argparse.ArgumentParser) -> str:
    data = {
        "project_name": "DenseNoiser",
        "version": __version__,
        "description": SUMMARIES[parser.prog],
        "manual_title": "DenseNoiser",
    }
    page = Manpage(parser, data)
    page.date = ""  # the same parser gives the same page on any day
    sections = [str(page).rstrip("\n") + "\n", _examples(parser.prog)]
    if parser.prog in ("densenoised", "densenoiser"):
        sections += [_exit_status(parser.prog), _files()]
    return "".join(sections)


def _examples(program: str) -> str:
    """The section of examples, in troff."""
    lines = [".SH EXAMPLES"]
    for command, meaning in EXAMPLES[program].items():
        lines += [".TP", ".B " + command.replace("-", "\\-"), meaning]
    return "\n".join(lines) + "\n"


def _exit_status(program: str) -> str:
    """The section on exit codes, in troff. It is made from the error classes that have exit codes."""
    meanings: dict[int, list[str]] = {0: ["Ended as asked."]}
    for error in errors.DensenoiserError.__subclasses__():
        meanings.setdefault(error.exit_code, []).append((error.__doc__ or "").splitlines()[0])
    meanings[1].append("An internal fault, or something that was asked for failed.")
    meanings[2].append("Wrong arguments.")
    if program == "densenoiser":
        meanings[130] = ["Interrupted."]
    lines = [".SH EXIT STATUS"]
    for code, sentences in sorted(meanings.items()):
        lines += [".TP", f".B {code}", " ".join(sentences)]
    return "\n".join(lines) + "\n"


def _files() -> str:
    """The section on the settings file, in troff."""
    lines = [".SH FILES", ".TP", ".I ~/.config/densenoiser/settings.toml", "The settings (TOML). Commands and the tray"]
    lines += ["change it; comments survive, and so do other lines. A line with a fault counts as missing.", ".RS"]
    for key, declaration in declared().items():
        lines += [".TP", f".B {key}", declaration["help"].replace(".onnx", "\\&.onnx")]
    return "\n".join([*lines, ".RE"]) + "\n"


def _completions(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a shell, with the functions that print microphones, models and strengths where it uses them."""
    script = shtab.complete(parser, shell)
    preamble = "\n\n".join(
        FUNCTIONS[shell].format(words=words, command=command)
        for words, command in WORDS.items()
        if f"_densenoiser_{words}" in script
    )
    return shtab.complete(parser, shell, preamble={shell: preamble}).rstrip("\n") + "\n"


def _complete(parser: argparse.ArgumentParser, command: str) -> None:
    """Lets the shell complete what COMPLETERS names, and file names where the parser wants a Path."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, subparser in action.choices.items():
                _complete(subparser, name)
        elif action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif words := COMPLETERS.get((command, action.dest)):
            action.complete = {  # type: ignore[attr-defined]
                "bash": f"_densenoiser_{words}",
                "zsh": f"_densenoiser_{words}",
                "fish": f"(__densenoiser_{words})",
            }


def main() -> int:
    """Writes the files, or checks them. Returns 1 if anything was out of date under ``--check``, else 0."""
    parser = argparse.ArgumentParser(description="Make the man pages and completions.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something is out of date")
    check = parser.parse_args().check
    stale = 0
    for path, text in pages().items():
        target = SHARE / path
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        sys.stdout.write(f"{path}\n")
        if not check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
