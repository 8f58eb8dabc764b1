"""Jibri, which records conferences."""
