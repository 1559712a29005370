"""Any Whisper: loaded, looked into, changed and run. The only room of the package that knows transformers."""

from otoscope.base.collector import collector_paused

with collector_paused():
    from transformers import GenerationConfig, WhisperForConditionalGeneration, WhisperTokenizer  # noqa: F401
