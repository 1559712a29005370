"""The formats that a Whisper comes in: one module a format, behind the interface in `described`."""
