"""The coders: one file each, behind the interface of `coder.py`."""
