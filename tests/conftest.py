"""One RabbitMQ node, one Cosmos DB emulator and one Prefect server serve the whole test session, if a test asks."""

pytest_plugins = ("tests.support.rabbitmq", "tests.support.cosmos", "tests.support.prefect_server")
