"""What is done for a tenant, seen and acted upon; under today's routes and those of older clients."""
