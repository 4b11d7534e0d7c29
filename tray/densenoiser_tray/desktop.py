"""Shows a notification on the desktop, as its text and as nothing else."""

from __future__ import annotations

from dbus_fast.aio import MessageBus

from . import bus
from .bus import RefusedError
from .notifications import Notification
from .shown_text import one_line, without_markup

_SERVICE = "org.freedesktop.Notifications"
_PATH = "/org/freedesktop/Notifications"


async def show(connection: MessageBus, notification: Notification, icon: str, replaces: int = 0) -> int:
    """Show it in place of the one with the number ``replaces``; its own number. RefusedError without a service for it.

    The bus starts the service where it can: some desktops let it run only while there is something to show.
    """
    title, body = one_line(notification.title), one_line(notification.body)
    if await _reads_markup(connection):
        body = without_markup(body)
    values = ["DenseNoiser", replaces, icon, title, body, [], {}, -1]
    answer = await bus.call(connection, _SERVICE, _PATH, _SERVICE, "Notify", "susssasa{sv}i", *values, start=True)
    return int(answer[0])


async def _reads_markup(connection: MessageBus) -> bool:
    """Whether the service takes the body for markup: the specification lets each say so."""
    try:
        answer = await bus.call(connection, _SERVICE, _PATH, _SERVICE, "GetCapabilities", start=True)
    except RefusedError:
        return False
    return "body-markup" in answer[0]
