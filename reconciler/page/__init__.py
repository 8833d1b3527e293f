"""The page: a fleet in a browser, read-only. It has the values, words and states of `status`."""
