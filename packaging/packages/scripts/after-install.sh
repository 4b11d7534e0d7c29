#!/bin/sh
# After an installation: every user's daemon starts at login. After an upgrade: the daemons that run become the new one.
# Called as: configure [OLD VERSION] (deb), 1 or 2 (rpm), VERSION [OLD VERSION] (Arch).
set -u

case "${1-}" in
abort-*) exit 0 ;;
2) is_first=false ;;
*) if [ -z "${2-}" ]; then is_first=true; else is_first=false; fi ;;
esac

command -v update-desktop-database >/dev/null && update-desktop-database -q /usr/share/applications
command -v gtk-update-icon-cache >/dev/null && gtk-update-icon-cache -q -t -f /usr/share/icons/hicolor
command -v systemctl >/dev/null || exit 0

# The confinement of files needs what an ordinary user may not do on every system. It is tried as one.
drop_in=/etc/systemd/user/densenoised.service.d/50-confine-files.conf
if command -v setpriv >/dev/null && setpriv --reuid=65534 --regid=65534 --clear-groups \
    unshare --user --map-root-user --mount --net true 2>/dev/null; then
    mkdir -p "${drop_in%/*}"
    ln -sf /usr/lib/densenoiser/50-confine-files.conf "$drop_in"
else
    rm -f "$drop_in"
fi

if $is_first; then systemctl --global preset densenoised.service >/dev/null 2>&1; fi
if [ -d /run/systemd/system ]; then
    systemctl list-units --no-legend --plain --state=running 'user@*.service' 2>/dev/null |
        sed -n 's/^user@\([0-9]*\)\.service .*/\1/p' |
        while read -r user; do
            systemctl --user --machine="$user@" daemon-reload 2>/dev/null
            if $is_first; then
                systemctl --user --machine="$user@" start densenoised.service 2>/dev/null
            else
                systemctl --user --machine="$user@" try-restart densenoised.service 2>/dev/null
            fi
        done
fi
exit 0
