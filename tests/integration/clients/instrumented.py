"""A FastAPI app with OpenTelemetry's SDK; where it sends to is in the environment."""

import logging

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracer_provider = TracerProvider()
tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracer_provider)
logger_provider = LoggerProvider()
logger_provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
set_logger_provider(logger_provider)
logging.getLogger("shop").addHandler(LoggingHandler(logger_provider=logger_provider))

app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
FastAPIInstrumentor.instrument_app(app)


@app.get("/cart/{id}")
async def cart(id: int) -> dict[str, int]:
    if id == 13:
        raise ValueError("no such cart")
    logging.getLogger("shop").warning("cart %d is nearly full", id, extra={"items": 99})
    return {"id": id}
