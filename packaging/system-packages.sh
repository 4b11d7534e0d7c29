#!/bin/sh
# Install the Debian or Ubuntu packages that `make run`, `make test` or `make packages` needs and that are missing.
# Usage: system-packages.sh run|test|packages
set -eu

needed="libpulse0 libportaudio2 python3-venv python3-gi gir1.2-gtk-3.0 gir1.2-ayatanaappindicator3-0.1
    gir1.2-gtk-4.0 gir1.2-adw-1"
if [ "$1" = test ]; then
    needed="$needed pulseaudio pulseaudio-utils pipewire pipewire-bin pipewire-pulse wireplumber dbus libasound2-plugins
        at-spi2-core gir1.2-atspi-2.0 systemd strace xvfb trayer xdotool xdg-desktop-portal imagemagick gettext libglib2.0-bin desktop-file-utils appstream libxml2-utils librsvg2-bin zsh fish ffmpeg"
elif [ "$1" = packages ]; then
    # PyInstaller takes libpython into the bundle, and finds what libraries need with objdump.
    version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo 3.11)
    needed="binutils git libpulse0 libpython$version python3-venv"
elif ! command -v pulseaudio >/dev/null && ! command -v pipewire-pulse >/dev/null; then
    # No sound server at all: the demo brings its own.
    needed="$needed pipewire pipewire-bin pipewire-pulse wireplumber dbus pulseaudio-utils"
fi

command -v dpkg-query >/dev/null || {
    echo "This is no Debian or Ubuntu: if something fails below, install the counterparts of:" $needed >&2
    exit 0
}
missing=""
for package in $needed; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null; then
        as_root=sudo
    else
        echo "These packages are missing, and neither root nor sudo is at hand to install them:$missing" >&2
        echo "Ask an administrator for: apt-get install$missing" >&2
        exit 1
    fi
fi
echo "Installing:$missing"
$as_root apt-get -qq update
DEBIAN_FRONTEND=noninteractive $as_root apt-get -qq install --no-install-recommends -y $missing >/dev/null
