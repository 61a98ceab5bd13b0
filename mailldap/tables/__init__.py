"""The lookup tables that Postfix asks, each answering as postmap -q does."""
