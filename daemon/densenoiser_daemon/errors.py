"""Errors a user can act on. Each knows its exit code; its message names the thing and the way out."""

from __future__ import annotations


class DensenoiserError(Exception):
    """The root: something went wrong that the user should read about."""

    exit_code = 1

    def __init__(self, sentence: str = "", system_words: str = "") -> None:
        """``sentence`` is for people. ``system_words`` are a library's own text, in its language, for the log alone."""
        super().__init__(sentence)
        self.system_words = system_words

    @property
    def for_log(self) -> str:
        """The sentence, and the system's words after it."""
        return f"{self} ({self.system_words})" if self.system_words else str(self)


class AlreadyRunningError(DensenoiserError):
    """Another daemon serves this session."""

    exit_code = 1


class UsageError(DensenoiserError):
    """The arguments make no sense together."""

    exit_code = 2


class BackendError(DensenoiserError):
    """No sound server answers, or it refused."""

    exit_code = 3


class DeviceError(DensenoiserError):
    """The microphone or output is unknown, busy or denied."""

    exit_code = 4


class DeviceGoneError(DeviceError):
    """The microphone is not there any more: it was unplugged, or its card was switched off."""


class UnusableModelError(DensenoiserError):
    """The model cannot be used."""

    exit_code = 5


class SupersededError(DensenoiserError):
    """The choice was not taken, because a newer one was or the daemon ended."""

    exit_code = 5


class SettingsError(DensenoiserError):
    """The settings file has a fault; the message names file, line and key."""

    exit_code = 6


class NotRunningError(DensenoiserError):
    """No daemon answers on the bus."""

    exit_code = 7
