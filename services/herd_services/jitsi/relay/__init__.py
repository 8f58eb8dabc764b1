"""The relay for browsers behind firewalls: coturn."""
