"""The experiments: one file each, one function of (model, clips, settings), one result that explains itself."""
