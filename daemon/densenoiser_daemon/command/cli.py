"""The ``densenoiser`` command."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from densenoiser_models import __version__
from densenoiser_models.arguments import Parser, strength
from densenoiser_models.bundle import how_to_install

from ..errors import BackendError, DensenoiserError, UsageError
from ..i18n import _
from . import added_networks
from .terminal import complain, discard_output, spell_what_cannot_be_written

EXIT_INTERRUPTED = 130
_LEAVE_IT = {"status", "quit"}
"""Commands that start no daemon: one says whether it runs, and may be asked every second by a panel; one ends it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    words = (sys.argv[1:] if argv is None else list(argv)) or ["status"]
    spell_what_cannot_be_written()
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()  # here it can still be told that the disk is full
    except DensenoiserError as error:
        complain(f"densenoiser: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        return 0 if "monitor" in words else EXIT_INTERRUPTED
    except BrokenPipeError:  # as in: densenoiser status --watch | head
        discard_output()
        return 0
    except OSError as error:  # as in: densenoiser status > /dev/full
        discard_output()
        complain(f"densenoiser: {error}")
        return 1


def _run(words: list[str]) -> int:
    args = build_parser(wanted=next((word for word in words if not word.startswith("-")), "")).parse_args(words)
    if args.command in modules():
        return int(importlib.import_module(modules()[args.command][0]).run(args))
    if args.command == "models" and args.action is not None:
        return added_networks.run(args)
    import asyncio  # noqa: PLC0415  (a third of the way to D-Bus, which the others need not go)

    return asyncio.run(_ask_daemon(args))


def modules() -> dict[str, tuple[str, str]]:
    """Commands that need no daemon: name to module (with ``add_arguments`` and ``run``) and help."""
    return {
        "enhance": ("densenoiser_models.files.enhance", _("remove noise from audio files")),
        "bench": ("densenoiser_models.evaluation.frame_cost", _("time the filter on this machine")),
        "window": ("densenoiser_daemon.command.window", _("open the window")),
        "doctor": (
            "densenoiser_daemon.command.doctor.doctor",
            _("find out what is wrong, and mend what can be mended"),
        ),
        "install-user": (
            "densenoiser_daemon.command.install.install_user",
            _("put service, menu entry and icons in place"),
        ),
        "uninstall-user": ("densenoiser_daemon.command.install.uninstall_user", _("take them away again")),
    }


def build_parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The command line, from which the man page and the completions are made too.

    ``wanted`` is the command that will run: of those in ``modules`` only its module is loaded, or all for None.
    """
    parser = Parser(
        prog="densenoiser",
        description=_("Control DenseNoiser, the noise filter for the microphone."),
        epilog=_(
            "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 no sound server, 4 unknown microphone, 5 unusable model, "
            "6 faulty settings, 7 densenoised is not running, 130 interrupted."
        ),
    )
    about_version = _("show program's version number and exit")  # argparse in Python 3.11 does not translate it
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}", help=about_version)
    subcommands = parser.add_subparsers(title=_("commands"), dest="command", metavar=_("COMMAND"), required=True)

    def command(name: str, help: str) -> argparse.ArgumentParser:
        return subcommands.add_parser(name, help=help, description=f"{help[:1].upper()}{help[1:]}.")

    status = command("status", _("show what the daemon does"))
    status.add_argument("--json", action="store_true", help=_("as JSON; with --watch, one object a line"))
    status.add_argument("--verbose", action="store_true", help=_("with what engineers ask for"))
    status.add_argument("--watch", action="store_true", help=_("go on, with a line whenever something changes"))
    command("on", _("remove noise"))
    command("off", _("pass the microphone through unchanged"))
    command("toggle", _("switch noise removal on or off"))
    command("mute", _("let applications hear silence"))
    command("unmute", _("let applications hear again"))
    limit = command("strength", _("show or set how much noise may be removed"))
    limit.add_argument(
        "strength_db", nargs="?", type=strength, metavar="DB", help=_('a number of dB from 0 (nothing) up, or "full"')
    )
    whose = limit.add_mutually_exclusive_group()
    whose.add_argument("--own", action="store_true", help=_("for the microphone in use alone"))
    whose.add_argument(
        "--shared", action="store_true", help=_("let the microphone in use share the common strength again")
    )
    mic = command("mic", _("show or choose the microphone"))
    mic.add_argument(
        "name", nargs="?", metavar="NAME", help=_('its name, description, number or a part of one; or "auto"')
    )
    mic.add_argument(
        "--channels",
        type=channel,
        metavar=_("NUMBER"),
        help=_('the channel of it that carries your voice, from 1; or "auto": chosen by speech'),
    )
    default = command("default", _("show or choose whether applications that do not choose take DenseNoiser Mic"))
    default.add_argument(
        "switch", nargs="?", choices=("on", "off"), help=_("make it the default microphone, or no longer")
    )
    model = command("model", _("show or choose the model"))
    model.add_argument("name", nargs="?", metavar="NAME", help=_("a model's name or .onnx file"))
    command("mics", _("list the microphones")).add_argument("--json", action="store_true", help=_("as JSON"))
    models = command("models", _("list the models, or add one of another project"))
    models.add_argument("--json", action="store_true", help=_("as JSON"))
    added_networks.add_arguments(models)
    command("monitor", _("show live meters before and after the filter"))
    for name, (module, help) in modules().items():
        _add_module(command(name, help), name, module, wanted)
    command("quit", _("end the daemon"))
    return parser


def channel(text: str) -> int:
    """The number of a channel, or 0 for "auto". Raises as argparse wants it."""
    if text == "auto":
        return 0
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(_('must be a channel from 1 up, or "auto"; is {text!r}').format(text=text))
    return int(text)


def _add_module(parser: argparse.ArgumentParser, name: str, module: str, wanted: str | None) -> None:
    if wanted not in (None, name):
        return
    try:
        importlib.import_module(module).add_arguments(parser)
    except ModuleNotFoundError as error:
        if wanted is None:
            return
        raise UsageError(
            _("{command} needs the Python package {package}: {how}").format(
                command=name, package=error.name, how=how_to_install("'densenoiser[eval]'")
            )
        ) from error
    except OSError as error:  # ctypes found no such library: the doctor's one is libpulse
        raise BackendError(
            _("{library} cannot be loaded ({error}); install it (Debian: apt install {package})").format(
                library="libpulse", error=error, package="libpulse0"
            )
        ) from error


async def _ask_daemon(args: argparse.Namespace) -> int:
    from . import daemon_commands  # noqa: PLC0415  (the others need no D-Bus)
    from .daemon_client import DaemonClient  # noqa: PLC0415

    asks: dict[str, daemon_commands.Command] = {
        "status": daemon_commands.status,
        "on": daemon_commands.enable,
        "off": daemon_commands.enable,
        "toggle": daemon_commands.toggle,
        "mute": daemon_commands.mute,
        "unmute": daemon_commands.mute,
        "strength": daemon_commands.strength,
        "mic": daemon_commands.mic,
        "mics": daemon_commands.mics,
        "default": daemon_commands.default,
        "model": daemon_commands.model,
        "models": daemon_commands.models,
        "monitor": daemon_commands.monitor,
        "quit": daemon_commands.end,
    }

    def started() -> None:
        if args.command == "toggle":
            args.command = "on"  # nothing was filtered so far, so the other way is on, whatever the settings say
        complain(_("DenseNoiser was not running; it has been started."))

    async with DaemonClient(None if args.command in _LEAVE_IT else started) as client:
        await asks[args.command](client, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
