"""Small measures of sound: level, speech activity, lag, SI-SDR."""
