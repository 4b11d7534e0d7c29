"""The densenoiser program: asks the daemon over D-Bus and prints the answer."""
