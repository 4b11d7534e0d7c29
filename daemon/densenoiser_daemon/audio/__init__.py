"""Streams, devices and the virtual microphone, behind one contract (``backend.py``)."""
