"""The errors that the models package raises on purpose. Each message names the fault and what to do about it."""


class ModelError(Exception):
    """A model file, its sidecar or its provider cannot be used."""


class ModelNotFoundError(ModelError):
    """There is no model of that name or at that path."""


class EngineError(ModelError):
    """A filter of another project cannot be used, or has ended."""


class AudioFileError(Exception):
    """An audio file cannot be read or written."""
