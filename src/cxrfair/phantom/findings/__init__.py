"""What can show in a picture; one file each, found by file name.

Each file has `FINDING`: where it may lie, its mask, and what it does to the shadow and the body.
"""
