"""One answer of the service is one moment of the daemon."""

from __future__ import annotations

from tests.support.dbus_calls import ask
from tests.support.recorded_controls import RecordedControls

from densenoiser_daemon.command.daemon_client import DaemonClient
from densenoiser_daemon.control.service import ControlService
from densenoiser_daemon.settings.file import SettingsFile
from densenoiser_daemon.status import Fact, ReasonCode, State, Status


def test_a_reading_is_one_moment_of_the_daemon(bus: str, store: SettingsFile) -> None:
    """The status changes at every look at it, as it may between two properties of one answer."""
    running = Status(state=State.RUNNING, listeners=("Zoom",), microphone="a")
    waiting = Status(state=State.WAITING_FOR_MICROPHONE, reason=Fact(ReasonCode.NO_MICROPHONE))

    class Restless(RecordedControls):
        def __init__(self) -> None:
            self.looks = 0
            super().__init__()

        @property
        def status(self) -> Status:
            self.looks += 1
            return running if self.looks % 2 else waiting

        @status.setter
        def status(self, _status: Status) -> None:
            pass

    served = ControlService(Restless(), store)
    assert served.start()
    try:
        moments = {("running", "", ("Zoom",), "a"), ("waiting-for-microphone", "no-microphone", (), "")}
        for _number in range(4):
            values = ask(DaemonClient.properties)
            shown = values["State"], values["Reason"][0], tuple(values["Listeners"]), values["ActiveMicrophone"]
            assert shown in moments
    finally:
        served.stop()
