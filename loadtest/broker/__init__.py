"""
Where a run goes: endpoints, private nodes, topology, the management API and what a broker says about itself.

Carries no message of a run; that is `wire`'s. See docs/broker.md.
"""
