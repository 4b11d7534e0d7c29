"""Systems x metrics on folders of pairs."""
