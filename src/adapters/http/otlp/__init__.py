"""OTLP over HTTP: what any OpenTelemetry SDK or collector sends, by its own standard settings."""
