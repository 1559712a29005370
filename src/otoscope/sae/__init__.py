"""Sparse dictionaries: read them and encode with them. Knows tensors, and neither Whisper nor corpora nor sites."""
