"""Filters audio files with the same denoiser as the microphone."""
