"""One file for each use case, over the stages."""
