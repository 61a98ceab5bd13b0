"""The server side: schema, status, identity."""
