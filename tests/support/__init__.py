"""What tests share: records, servers, clients and whole systems."""
