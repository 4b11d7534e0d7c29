"""The tray icon. Knows the daemon by its D-Bus names only."""
