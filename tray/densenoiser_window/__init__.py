"""The window: GTK 4 and libadwaita, and of the daemon nothing but its names on D-Bus.

It needs the distribution's PyGObject alone, besides the words that it shares with the tray.
"""
