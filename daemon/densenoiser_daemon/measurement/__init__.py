"""The laboratory: private sound servers, recorders, and the measurements made with them."""
