"""The result of a comparison, and of a run held against an older one."""
