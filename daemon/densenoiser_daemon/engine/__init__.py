"""The audio thread: captured frames in, clean frames out, with a bounded delay."""
