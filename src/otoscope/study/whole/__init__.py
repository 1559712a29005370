"""The whole study: every experiment at a sensible size, and a verdict on each claim."""
