"""The directory's language: names, entries, changes, filters, schema, LDIF. No I/O."""
