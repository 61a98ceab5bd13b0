"""What Postfix does with an address: rewriting, alias expansion, routing, sender checks."""
