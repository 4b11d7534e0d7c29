"""densenoiser doctor: finds what is wrong, and mends what can be mended."""
