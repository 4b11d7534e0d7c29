"""Streams, devices and the virtual source, behind one contract (``api.py``)."""
