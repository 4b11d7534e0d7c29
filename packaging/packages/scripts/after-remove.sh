#!/bin/sh
# After a removal: the desktop and the users' service managers forget what is gone.
set -u

case "${1-}" in
upgrade | failed-upgrade | abort-* | disappear | 1) exit 0 ;;
esac
command -v update-desktop-database >/dev/null && update-desktop-database -q /usr/share/applications
command -v gtk-update-icon-cache >/dev/null && gtk-update-icon-cache -q -t -f /usr/share/icons/hicolor
exit 0
