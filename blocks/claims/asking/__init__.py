"""How a service of claim recovery is asked: transport, circuits, and what it answers."""
