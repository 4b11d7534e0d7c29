"""Training material: recordings, the pool of their spectra, and mixtures drawn from it."""
