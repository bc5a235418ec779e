"""Processes of the operating system: started, held, found again, and what they have open."""
