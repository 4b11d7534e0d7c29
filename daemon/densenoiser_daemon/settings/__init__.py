"""What the user chose, and the file that keeps it."""
