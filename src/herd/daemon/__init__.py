"""What acts: trio, processes, sockets, D-Bus, files."""
