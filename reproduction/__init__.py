"""Reproduces the study's outputs on released models, on a page that shows both side by side: `make released`."""
