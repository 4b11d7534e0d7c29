"""Errors that the models package raises on purpose; each message names the thing and the way out."""


class ModelError(Exception):
    """A model file, its sidecar or its provider cannot be used."""


class ModelNotFoundError(ModelError):
    """No model of that name or at that path."""


class AudioFileError(Exception):
    """An audio file cannot be read or written."""
