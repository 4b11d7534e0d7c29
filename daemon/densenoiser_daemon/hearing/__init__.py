"""To hear oneself: what the filter gets, gives and takes away, on the default output; and a take to compare."""
