"""The definitions of the services herdd knows. They describe; the daemon acts."""
