"""What is in a message: header, character sets, segments, paths, times."""
