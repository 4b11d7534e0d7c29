#!/bin/sh
# Before a removal: the daemons and the icons end, and with them the virtual microphone. An upgrade lets them run.
# Called as: remove or upgrade (deb), 0 or 1 (rpm), VERSION (Arch).
set -u

case "${1-}" in
upgrade | failed-upgrade | deconfigure | 1) exit 0 ;;
esac

if command -v systemctl >/dev/null; then
    systemctl --global disable densenoised.service >/dev/null 2>&1
    if [ -d /run/systemd/system ]; then
        systemctl list-units --no-legend --plain --state=running 'user@*.service' 2>/dev/null |
            sed -n 's/^user@\([0-9]*\)\.service .*/\1/p' |
            while read -r user; do systemctl --user --machine="$user@" stop densenoised.service 2>/dev/null; done
    fi
fi
rm -f /etc/systemd/user/densenoised.service.d/50-confine-files.conf
rmdir /etc/systemd/user/densenoised.service.d 2>/dev/null

ours() {
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/exe" 2>/dev/null)" = /usr/lib/densenoiser/densenoiser ]; then echo "${process#/proc/}"; fi
    done
}
# Those that no service manager started. Five seconds are enough to give the default microphone back.
for process in $(ours); do kill "$process" 2>/dev/null; done
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -n "$(ours)" ] || break
    sleep 0.5
done
exit 0
