"""Postfix configuration files: read with positions, written atomically."""
