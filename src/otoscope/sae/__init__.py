"""Sparse dictionaries: train them, read and write them, encode and decode with them, score them.

This room handles tensors and files; it knows neither Whisper nor corpora, nor what sites are.
"""
