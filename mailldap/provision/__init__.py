"""Recipients, aliases and routing, added, moved and removed."""
