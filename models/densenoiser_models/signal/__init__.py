"""Measures of sound: level, speech activity, lag and SI-SDR."""
