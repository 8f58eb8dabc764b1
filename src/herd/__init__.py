"""herdctl: a supervisor for the communication servers of one host."""

__version__ = "0.1.0"
