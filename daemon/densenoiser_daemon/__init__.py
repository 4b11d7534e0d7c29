"""Where frames come from and go to, and who may say so."""
