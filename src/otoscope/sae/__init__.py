"""Sparse dictionaries: train them, read and write them, encode and decode with them, score them.

Knows tensors and files, and neither Whisper nor corpora, nor what sites are.
"""
