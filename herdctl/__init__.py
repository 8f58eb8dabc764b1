"""The command `herd`: one request to herdd, printed. It starts fast and knows no service."""
