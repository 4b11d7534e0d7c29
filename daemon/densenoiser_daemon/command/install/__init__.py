"""densenoiser install-user and uninstall-user: the user's desktop files."""
