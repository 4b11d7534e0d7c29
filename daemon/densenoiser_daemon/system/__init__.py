"""What Linux grants the daemon: locks, real time, service manager, private files."""
