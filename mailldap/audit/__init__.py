"""Faults in Postfix files and directories, found and mended."""
