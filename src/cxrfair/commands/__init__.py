"""The groups of commands of `cxrfair`, one file each; a file is imported when it is called."""
