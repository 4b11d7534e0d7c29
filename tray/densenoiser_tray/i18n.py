"""Translations: the package's catalogue, bound for the whole process, so that argparse speaks the language too."""

from __future__ import annotations

import gettext
import os
from pathlib import Path

from . import preferences

DOMAIN = "densenoiser"

if preferences.language():
    os.environ["LANGUAGE"] = preferences.language()
gettext.bindtextdomain(DOMAIN, str(Path(__file__).with_name("locale")))
gettext.textdomain(DOMAIN)

_ = gettext.gettext
ngettext = gettext.ngettext
