// A server with OpenTelemetry's SDK and instrumentation; where to send is in the environment.
// It asks itself, waits until all is sent, and ends.
const { logs, SeverityNumber, trace } = require("@opentelemetry/api");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { NodeSDK } = require("@opentelemetry/sdk-node");

const sdk = new NodeSDK({ instrumentations: [new HttpInstrumentation()] });
sdk.start();

const http = require("node:http");

const server = http.createServer((request, response) => {
  const span = trace.getActiveSpan();
  if (request.url === "/nothing") {
    response.writeHead(404).end();
    return;
  }
  span.setAttribute("http.route", "/cart/:id");
  if (request.url === "/cart/13") {
    span.recordException(new RangeError("no such cart"));
    response.writeHead(500).end();
    return;
  }
  logs.getLogger("shop").emit({
    severityNumber: SeverityNumber.WARN,
    severityText: "WARN",
    body: "the cart is nearly full",
    attributes: { items: 99, path: ["a", "b"] },
  });
  response.writeHead(200).end();
});

const ask = (path) =>
  new Promise((resolve, reject) => {
    http
      .get({ port: server.address().port, path }, (answer) => answer.resume().on("end", resolve))
      .on("error", reject);
  });

server.listen(0, "127.0.0.1", async () => {
  for (const path of ["/cart/1", "/cart/2", "/cart/13", "/nothing"]) {
    await ask(path);
  }
  server.close();
  await sdk.shutdown();
});
