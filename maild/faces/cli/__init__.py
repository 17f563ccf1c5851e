"""The command line of `interface.md`."""
