"""What a frame is and how it gets clean. Knows no sound server and no D-Bus."""

import os

# ONNX Runtime 1.32 sends usage data to its maker from a thread that its import starts, on Linux too. Nothing leaves this machine.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
