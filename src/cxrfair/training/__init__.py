"""The training loop and its parts: they know no method and no data set by name."""
