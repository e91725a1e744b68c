"""xsession: a graphical session under the systemd user manager."""

__version__ = "0.1.0"
