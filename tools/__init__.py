"""What writes files that follow from the code: the reference of commands, and the stub of public names."""
