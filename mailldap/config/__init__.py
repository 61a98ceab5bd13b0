"""Settings and where they come from: flags, environment, YAML, and libldap's own files."""
