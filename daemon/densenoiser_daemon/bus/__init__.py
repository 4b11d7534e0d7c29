"""The session bus: what the daemon's service and the command line share."""
