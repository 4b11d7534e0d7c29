#!/bin/sh
# Take away what install.sh put in place, from this checkout or any other. Settings stay.
# Usage: uninstall.sh VENV   (a virtual environment whose densenoiser is used where no installed one works)
set -eu

home=${XDG_DATA_HOME:-$HOME/.local/share}/densenoiser/venv
if "$home/bin/densenoiser" --version >/dev/null 2>&1; then
    "$home/bin/densenoiser" uninstall-user
else
    "$1/bin/densenoiser" --version >/dev/null 2>&1 || make --silent -C "$(dirname "$0")/.." .venv/run
    "$1/bin/densenoiser" uninstall-user
fi
for program in densenoised densenoiser densenoiser-tray densenoiser-window; do
    link=$HOME/.local/bin/$program
    case $(readlink "$link" || true) in
    "$home"/*) rm "$link" ;;
    esac
done
rm -rf "$home"
rmdir "$(dirname "$home")" 2>/dev/null || true
