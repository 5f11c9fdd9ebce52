"""Layouts of the data sets the phantom stands in for; one file each, found by file name.

Each file has `write(config, root) -> truth`: it fills the folder and returns what is true of it.
"""
