"""The floor everything stands on: errors, clocks, result folders. Imports nothing of ours, and no torch."""
