"""Mail as types: addresses and mailRecipient entries."""
