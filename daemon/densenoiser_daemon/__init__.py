"""The daemon: sound from the microphone to the virtual one, controlled over D-Bus; and the ``densenoiser`` program."""
