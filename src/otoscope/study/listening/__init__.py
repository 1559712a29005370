"""One recording, listened to in every way at once."""
