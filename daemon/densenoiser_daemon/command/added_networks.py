"""``densenoiser models add`` and ``remove``: other projects' networks beside ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UnusableModelError, UsageError
from ..i18n import _
from .terminal import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``densenoiser models``, without ``--json``."""
    parser.add_argument(
        "action", nargs="?", choices=("add", "remove"), help=_("add another project's network, or remove it again")
    )
    parser.add_argument("file", nargs="?", metavar="FILE|NAME", help=_("the .onnx file to add, or the name to remove"))
    parser.add_argument("--name", help=_("what to call the network (its file's name)"))
    parser.add_argument("--rate", type=int, metavar="HZ", help=_("the network's rate, where its file does not tell it"))
    parser.add_argument(
        "--licence", type=Path, metavar="FILE", help=_("its licence (LICENSE in the folder of the .onnx file)")
    )


def run(args: argparse.Namespace) -> int:
    """Add or remove. UsageError, or UnusableModelError with the reason."""
    from densenoiser_models.engines import add, shelf  # noqa: PLC0415  (commands that ask the daemon need no engine)
    from densenoiser_models.errors import ModelError  # noqa: PLC0415

    if args.file is None:
        raise UsageError(_("name the .onnx file to add") if args.action == "add" else _("name the network to remove"))
    if args.action == "remove":
        if args.file not in shelf.shelved():
            known = ", ".join(shelf.shelved()) or _("none")
            raise UnusableModelError(
                _("there is no added network {name}; there are: {known}").format(name=args.file, known=known)
            )
        shelf.remove(args.file)
        say(_("{name} was removed.").format(name=args.file))
        return 0
    try:
        network = add(Path(args.file), args.name, args.rate, args.licence)
    except ModelError as error:
        raise UnusableModelError(_("{file} was not added: {error}").format(file=args.file, error=error)) from error
    say(
        _(
            "{name} was added: {delay:.0f} ms delay, {cost:.0f} % of a core. Choose it with: densenoiser model {name}"
        ).format(name=network.name, delay=network.delay_ms, cost=10 * network.frame_ms)
    )
    return 0
