"""PulseAudio and PipeWire: streams, the virtual microphone, and who listens to it."""
