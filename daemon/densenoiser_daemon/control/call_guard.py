"""What is settled about a call before dbus-fast looks for its method."""

from __future__ import annotations

from dbus_fast import Message, MessageFlag, MessageType, Variant

from ..bus.session_bus import INVALID_VALUE
from ..i18n import _
from ..settings.keys import LONGEST_NAME


def refusal(message: Message) -> Message | None:
    """The error that answers ``message`` at once; None for one that may go on. Control thread."""
    if message.message_type is not MessageType.METHOD_CALL:
        return None
    # Of a call without reply that fails, dbus-fast 5.2 logs a traceback, so that any client could flood the log.
    # A reply that nobody awaits does no harm.
    message.flags = MessageFlag.NONE
    # Error messages repeat names, and the search for near ones takes a time that grows with their length.
    parts = [part.value if isinstance(part, Variant) else part for part in message.body]
    if any(isinstance(part, str) and len(part) > LONGEST_NAME for part in (message.path, *parts)):
        fault = _("no name or path may have more than {most} characters").format(most=LONGEST_NAME)
        return Message.new_error(message, INVALID_VALUE, fault)
    return None
