"""From folders of speech and noise to an exported model."""
