"""What all other rooms build on: errors, clocks, settings, reports, result folders. Imports no other room, no torch."""
