"""Checks a call before dbus-fast dispatches it: refuses over-long names, and always asks for a reply."""

from __future__ import annotations

from dbus_fast import Message, MessageFlag, MessageType, Variant

from ..bus.session_bus import INVALID_VALUE
from ..i18n import _
from ..settings.values import LONGEST_NAME


def refusal(message: Message) -> Message | None:
    """The error that answers ``message`` at once, or None if it may go on. Control thread."""
    if message.message_type is not MessageType.METHOD_CALL:
        return None
    # dbus-fast 5.2 logs a traceback for each call without reply that fails, so any client could flood the log.
    # A reply that nobody awaits does no harm.
    message.flags = MessageFlag.NONE
    # Error messages repeat names, and the search for similar ones takes longer the longer they are.
    parts = [part.value if isinstance(part, Variant) else part for part in message.body]
    if any(isinstance(part, str) and len(part) > LONGEST_NAME for part in (message.path, *parts)):
        fault = _("no name or path may have more than {most} characters").format(most=LONGEST_NAME)
        return Message.new_error(message, INVALID_VALUE, fault)
    return None
