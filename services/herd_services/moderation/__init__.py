"""What moderation is on every server: bans told, exported, imported, and the history of decisions."""
