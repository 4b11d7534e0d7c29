#!/bin/sh
# Install DenseNoiser from this folder for all users, or take it away again. Usage: install.sh [--uninstall] [PREFIX]
# PREFIX is /usr/local if it is not named. Settings stay where they are.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
remove=false
if [ "${1-}" = --uninstall ]; then
    remove=true
    shift
fi
case "${1-}" in
-*) sed -n '2,3s/^# //p' "$0" && exit 2 ;;
esac
prefix=${1:-/usr/local}
autostart=${DESTDIR-}/etc/xdg/autostart/org.densenoiser.DenseNoiser.desktop
list=$prefix/lib/densenoiser/installed-files

if [ -f "${DESTDIR-}$list" ]; then
    # Backwards, so that a folder comes after what lies in it. Folders that others use stay.
    sort -r "${DESTDIR-}$list" | while read -r name; do
        path=${DESTDIR-}$prefix/$name
        if [ -d "$path" ] && [ ! -L "$path" ]; then
            rmdir "$path" 2>/dev/null || true
        else
            rm -f "$path"
        fi
    done
    rm -f "${DESTDIR-}$list" "$autostart"
    rmdir "${DESTDIR-}$prefix/lib/densenoiser" 2>/dev/null || true
elif $remove; then
    echo "DenseNoiser is not installed under $prefix." >&2
    exit 1
fi
if $remove; then exit 0; fi

mkdir -p "${DESTDIR-}$prefix" "${autostart%/*}"
cp -R "$here/usr/." "${DESTDIR-}$prefix/"
(cd "$here/usr" && find . -mindepth 1 | sed 's|^\./||') >"${DESTDIR-}$list"
cp "$here/etc/xdg/autostart/org.densenoiser.DenseNoiser.desktop" "$autostart"
for file in lib/systemd/user/densenoised.service share/dbus-1/services/org.densenoiser.Daemon1.service \
    share/applications/org.densenoiser.DenseNoiser.desktop; do
    sed -i "s|/usr/bin/|$prefix/bin/|g" "${DESTDIR-}$prefix/$file"
done
sed -i "s|/usr/bin/|$prefix/bin/|g" "$autostart"
echo "DenseNoiser is installed under $prefix. Each user starts it with: systemctl --user enable --now densenoised"
