"""The version of otoscope; the package's metadata is built from this file."""

__version__ = "0.1.0"
