"""Jitsi Meet's services: Prosody, Jicofo and the bridges, from `[jitsi]`."""
