"""Any Whisper: loaded, looked into, changed and run. The only room of the package that knows transformers."""
