"""One pass of a corpus through a model: top examples, ranges of strength and statistics of every feature."""
