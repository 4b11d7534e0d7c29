#!/bin/sh
# Install DenseNoiser for this user into a virtual environment of its own, as pipx does. The checkout may then be deleted.
# Usage: install.sh PYTHON [OPTION OF install-user...]
set -eu

checkout=$(cd "$(dirname "$0")/.." && pwd)
home=${XDG_DATA_HOME:-$HOME/.local/share}/densenoiser/venv
python=$1
shift

mkdir -p "$(dirname "$home")"
# The distribution's packages are visible: the tray uses its PyGObject.
"$python" -m venv --system-site-packages "$home"
# An older build of the same version would count as installed.
"$home/bin/python" -m pip --disable-pip-version-check uninstall --quiet --yes densenoiser 2>/dev/null || true
"$home/bin/python" -m pip --disable-pip-version-check install --quiet --constraint "$checkout/packaging/constraints.txt" "$checkout"

mkdir -p "$HOME/.local/bin"
for program in densenoised densenoiser densenoiser-tray densenoiser-window; do
    link=$HOME/.local/bin/$program
    if [ -e "$link" ] && [ ! -L "$link" ]; then
        echo "$link is there already and stays; ours is $home/bin/$program" >&2
    else
        ln -sf "$home/bin/$program" "$link"
    fi
done
"$home/bin/densenoiser" install-user "$@"
case ":$PATH:" in
*":$HOME/.local/bin:"*) ;;
*) echo "The commands lie in $HOME/.local/bin, which is on PATH from the next login." ;;
esac
