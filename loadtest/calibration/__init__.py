"""How fast the generator could be: a broker that costs nothing, and what is measured against it."""
