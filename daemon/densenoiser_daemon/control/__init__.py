"""How the daemon is told what to do: D-Bus service, its client, the command line."""
