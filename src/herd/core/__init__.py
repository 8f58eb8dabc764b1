"""What decides: no trio, no operating system, no clock, no socket."""
