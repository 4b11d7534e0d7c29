#!/bin/bash
# What a person does with an installed DenseNoiser, as that person, on a system with nothing running.
# Usage: inside.sh
set -eu
here=$(dirname "$0")
if [ "${XDG_RUNTIME_DIR-}" != /tmp/run ]; then
    # Before the bus, which gives its environment to what it starts.
    export XDG_RUNTIME_DIR=/tmp/run DISPLAY=:97 LANGUAGE=C GSK_RENDERER=cairo
    mkdir -m 700 "$XDG_RUNTIME_DIR"
    exec dbus-run-session -- bash "$0"
fi
cd "$HOME"
trap 'densenoiser quit >/dev/null 2>&1 || true; kill $(jobs -p) 2>/dev/null || true; wait || true' EXIT

step() { printf '%-10s %s\n' "$1" "$2"; }
until_true() {
    for _ in $(seq 300); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    echo "did not happen within 30 s: $*" >&2
    tail -n 3 /tmp/*.log >&2
    pactl list short sources >&2 || true
    return 1
}
owned() { dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner "string:$1" | grep -q true; }

step version "$(densenoiser --version), $(densenoiser-tray --version), $(densenoiser-window --version)"
densenoised --demo /tmp/demo >/tmp/demo.log 2>&1 || { cat /tmp/demo.log; exit 1; }
step demo "$(grep -a 'noise reduction' /tmp/demo.log | tr -s ' ')"

pipewire >/tmp/pipewire.log 2>&1 &
until_true test -S "$XDG_RUNTIME_DIR/pipewire-0"
wireplumber >/tmp/wireplumber.log 2>&1 &
pipewire-pulse >/tmp/pulse.log 2>&1 &
until_true pactl info
pactl load-module module-null-sink sink_name=feed rate=48000 channels=1 >/dev/null
pactl load-module module-remap-source source_name=fake_mic master=feed.monitor channels=1 >/dev/null
began=$(date +%s%N)
# Not as a job of this shell: the bus starts it.
densenoiser on >/tmp/on.log 2>&1 || { cat /tmp/on.log; exit 1; }
until_true owned org.densenoiser.Daemon1
until_true sh -c 'pactl list short sources | grep -q densenoiser_mic'
step daemon "started by the bus in $((($(date +%s%N) - began) / 1000000)) ms: $(densenoiser status | head -1)"
densenoiser default on >/dev/null
step default "$(pactl get-default-source)"
test "$(pactl get-default-source)" != fake_mic
for model in deepfilternet3 rnnoise hush webrtc densenet-small; do densenoiser model "$model" >/dev/null; done
step engines "$(densenoiser models --json | grep -c '"name"') to choose from"

Xvfb :97 -screen 0 1200x900x24 >/tmp/xvfb.log 2>&1 &
until_true test -S /tmp/.X11-unix/X97
/usr/bin/python3 "$here/panel.py" >/tmp/panel.log 2>&1 &
panel=$!
until_true owned org.kde.StatusNotifierWatcher
densenoiser-tray >/tmp/tray.log 2>&1 &
tray=$!
wait $panel || { cat /tmp/panel.log /tmp/tray.log; exit 1; }
test -f "$(tail -1 /tmp/panel.log)"
step tray "$(head -1 /tmp/panel.log)"
kill $tray
wait $tray || true

densenoiser window >/tmp/window.log 2>&1 &
window=$!
until_true owned org.densenoiser.Window1
until_true xdotool search --onlyvisible --name DenseNoiser
sleep 2
kill -0 $window
! grep -q Traceback /tmp/window.log
import -window root /tmp/window.png 2>/dev/null || true
step window "$(xdotool search --onlyvisible --name DenseNoiser getwindowname | head -1)"
kill $window
wait $window 2>/dev/null || true

densenoiser quit >/dev/null
until_true sh -c '! pactl list short sources | grep -q densenoiser_mic'
step ended "the default microphone is $(pactl get-default-source) again"
test "$(pactl get-default-source)" = fake_mic
