"""Equations (4) to (8): what a link and a device can do, how it fades, and when an amount of work
is done."""
