#!/bin/sh
# The main job: filter this machine's microphone. Where it has none, show the filter at work on a private sound server.
# Usage: run.sh VENV
set -eu

if "$1/bin/densenoised" --list-devices 2>/dev/null; then
    exec "$1/bin/densenoised"
fi
echo "No sound server with a microphone answers here, so this is the demo."
exec "$1/bin/densenoised" --demo
