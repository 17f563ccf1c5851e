"""The pure half: values and decisions.  No I/O, no clock, no SQL."""
