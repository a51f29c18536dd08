"""The ports on real systems: RabbitMQ, Cosmos DB, Prefect, SQLite, and layers that measure or
repeat calls.
"""
