"""Translations: the package's catalogue, bound for the whole process.

Binding the process-wide text domain, rather than holding a translation object, lets argparse speak the user's language
too, and lets ``densenoiser_models`` mark its messages with the standard ``gettext`` without knowing of this file.
The language comes from LANGUAGE, LC_ALL, LC_MESSAGES or LANG. Thread-safe.
"""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "densenoiser"

gettext.bindtextdomain(DOMAIN, str(Path(__file__).with_name("locale")))
gettext.textdomain(DOMAIN)

_ = gettext.gettext
ngettext = gettext.ngettext
