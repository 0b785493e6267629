"""The use cases, and the ports that they need; knows the domain only."""
