"""Audio files through the engine that the microphone uses."""
