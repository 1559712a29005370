"""When each word of a transcript is spoken, by the model's own cross-attention; and whole corpora of it."""
