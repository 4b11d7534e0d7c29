"""Extracts the messages of the sources, merges them into each language, and compiles the catalogues.

    python packaging/catalogue.py extract    sources -> locale/densenoiser.pot -> locale/LANGUAGE.po
    python packaging/catalogue.py compile    locale/LANGUAGE.po -> PACKAGE/locale/LANGUAGE/LC_MESSAGES/densenoiser.mo

The build hook compiles on every install. Run extract after changing a message.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

DOMAIN = "densenoiser"
ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "packaging" / "locale"
TEMPLATE = LOCALE / f"{DOMAIN}.pot"
SOURCES = ("daemon/densenoiser_daemon", "models/densenoiser_models", "tray/densenoiser_tray", "tray/densenoiser_window")
PROGRAMS = ("daemon/densenoiser_daemon", "tray/densenoiser_tray")
"""The packages that bind the text domain. Each carries the whole catalogue."""
# argparse's own messages, so that a usage line is not half in English. They are the same in all Python versions that we
# support.
ARGPARSE_MESSAGES = (
    "usage: ",
    "options",
    "positional arguments",
    "show this help message and exit",
    "show program's version number and exit",
    "%(prog)s: error: %(message)s\n",
    "argument %(argument_name)s: %(message)s",
    "the following arguments are required: %s",
    "unrecognized arguments: %s",
    "expected one argument",
    "invalid %(type)s value: %(value)r",
    "invalid choice: %(value)r (choose from %(choices)s)",
    "not allowed with argument %s",
)


def extracted() -> Catalog:
    """Every message that the sources mark, in the order of their files."""
    authors = "The DenseNoiser authors"
    catalogue = Catalog(domain=DOMAIN, project="DenseNoiser", version="1", copyright_holder=authors, fuzzy=False)
    catalogue.last_translator = catalogue.language_team = authors
    catalogue.msgid_bugs_address = authors
    for text in ARGPARSE_MESSAGES:
        catalogue.add(text, locations=[("argparse.py", 0)])
    for source in SOURCES:
        found = extract_from_dir(
            ROOT / source, method_map=[("**.py", "python")], comment_tags=("Translators:",), strip_comment_tags=True
        )
        for path, _line, message, comments, context in sorted(found, key=lambda item: item[:2]):
            # Locations have no line numbers, so that a line added above a message does not change the catalogue.
            catalogue.add(message, None, [(f"{source}/{path}", 0)], auto_comments=comments, context=context)
    return catalogue


def languages() -> dict[str, Path]:
    """Maps each language code to the path of its catalogue."""
    return {path.stem: path for path in sorted(LOCALE.glob("*.po"))}


def read(language: str, path: Path) -> Catalog:
    """Reads one language's catalogue. PoFileError if it does not parse."""
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN, abort_invalid=True)


def extract() -> None:
    """Writes the template and updates every language to it. Translations are kept, and none is guessed."""
    template = extracted()
    _write(TEMPLATE, template)
    for language, path in languages().items():
        catalogue = read(language, path)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        catalogue.project, catalogue.version = template.project, template.version
        catalogue.msgid_bugs_address = template.msgid_bugs_address
        _write(path, catalogue)


def compile_catalogues() -> list[Path]:
    """Writes the ``.mo`` of every language into every program. Returns the paths written."""
    written = []
    for language, path in languages().items():
        catalogue = read(language, path)
        for program in PROGRAMS:
            target = ROOT / program / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.mo"
            target.parent.mkdir(parents=True, exist_ok=True)
            # Written under another name first and then renamed, so that a running program never reads half a catalogue.
            fresh = target.with_suffix(".mo.new")
            with fresh.open("wb") as file:
                write_mo(file, catalogue)
            fresh.replace(target)
            written.append(target)
    return written


def _write(path: Path, catalogue: Catalog) -> None:
    with path.open("wb") as file:
        write_po(file, catalogue, width=120, include_lineno=False)


def main() -> int:
    """Runs one step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("extract", "compile"))
    if parser.parse_args().step == "extract":
        extract()
    else:
        compile_catalogues()
    return os.EX_OK


if __name__ == "__main__":
    raise SystemExit(main())
