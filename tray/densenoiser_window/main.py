"""``densenoiser-window``: opens the window, or says what to install for it."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Sequence

from densenoiser_tray.i18n import _

_NEEDED = "python3-gi gir1.2-gtk-4.0 gir1.2-adw-1"


def build_parser() -> argparse.ArgumentParser:
    """The command line, from which the man page and the completions are made too."""
    parser = argparse.ArgumentParser(
        prog="densenoiser-window", description=_("Opens DenseNoiser's window, or shows the one that is open.")
    )
    about_frames = _("print at the end how long frames took to draw")
    parser.add_argument("--frame-times", action="store_true", help=about_frames)
    version = importlib.metadata.version("densenoiser")
    about_version = _("show program's version number and exit")  # argparse in Python 3.11 does not translate it
    parser.add_argument("--version", action="version", version=f"%(prog)s {version}", help=about_version)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Show the window until it is closed; the exit code."""
    args = build_parser().parse_args(argv)
    try:
        import gi  # noqa: PLC0415  (an installation without GTK 4 is told so)

        gi.require_version("Gtk", "4.0")
        gi.require_version("Adw", "1")
        from .application import Application  # noqa: PLC0415
    except (ImportError, ValueError) as error:
        sys.stderr.write(
            _(
                "densenoiser-window: the window needs GTK 4 and libadwaita ({error}); install them (Debian: apt install "
                "{packages}). The tray icon and the command densenoiser work without it.\n"
            ).format(error=error, packages=_NEEDED)
        )
        return 1
    return int(Application(args.frame_times).run([sys.argv[0]]))


if __name__ == "__main__":
    sys.exit(main())
