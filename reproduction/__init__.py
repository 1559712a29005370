"""The study's outputs made again on released models, and a page that lays both side by side: `make released`."""
