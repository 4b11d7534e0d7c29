"""What a frame is and how it gets clean. Knows no sound server and no D-Bus."""

__version__ = "0.1.0"
