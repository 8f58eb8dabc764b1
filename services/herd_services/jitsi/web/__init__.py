"""The web server in front of a Jitsi Meet: nginx, its file, and the page's configuration."""
