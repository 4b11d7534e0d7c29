"""The D-Bus service: the daemon as an object on the session bus."""
