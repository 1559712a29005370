"""Speed and memory, measured against the bare transformers model: one file per question, `run.py` asks them all."""
