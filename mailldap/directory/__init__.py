"""Directories that answer searches and take changes: in memory, in a file, on a server."""
