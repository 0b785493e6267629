/** Before anything was sent: how to send the first of it, to this very server. */

import { CopyButton } from "../parts/copy-button.tsx";
import { usePulse } from "../state/pulse.ts";

const LOOK_SECONDS = 1.5;

/** Where this server is, as this browser found it. */
function base(): string {
  return new URL("./", location.href).href.replace(/\?.*$/, "").replace(/\/$/, "");
}

function ways(url: string): [string, string, string][] {
  return [
    ["With curl", "An event: one thing that you choose to say.", `curl -X POST ${url}/events \\
  -H "X-Ops-Token: $OPS_API_TOKEN" -H "Content-Type: application/json" \\
  -d '{"level": "INFO", "type": "DEPLOY", "service": "shop", "message": "Release 1.0 is live"}'`],
    ["", "A request that some service of yours answered.", `curl -X POST ${url}/samples \\
  -H "X-Ops-Token: $OPS_API_TOKEN" -H "Content-Type: application/json" \\
  -d '{"service": "shop", "route": "/cart/{id}", "method": "GET", "status_code": 200, "latency_ms": 12.4}'`],
    ["With the middleware", "One line in any ASGI app: FastAPI, Starlette, Litestar, Django, Quart.", `import opsboard

app.add_middleware(opsboard.LatencyMiddleware, service="shop", to="${url}")`],
    ["With OpenTelemetry", "Any SDK, in any language, with its standard settings.", `export OTEL_SERVICE_NAME=shop
export OTEL_EXPORTER_OTLP_ENDPOINT=${url}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_HEADERS="X-Ops-Token=$OPS_API_TOKEN"`],
  ];
}

export function Welcome({ writesOpen }: { writesOpen: boolean }) {
  usePulse(LOOK_SECONDS);
  return (
    <section class="welcome" aria-labelledby="welcome-title">
      <h1 id="welcome-title"><i class="pulse pulse-live" />Waiting for the first sample</h1>
      <p>Nothing has been sent to this server yet. Send something, and this page fills itself.</p>
      {!writesOpen && <p class="notice bad" role="alert">Writing is closed: start the server with <code>OPS_API_TOKEN</code> to open it.</p>}
      {ways(base()).map(([title, text, code]) => (
        <div class="way" key={text}>
          {title && <h2>{title}</h2>}
          <p class="hint">{text}</p>
          <div class="code"><pre tabIndex={0}>{code}</pre><CopyButton text={() => code}>Copy</CopyButton></div>
        </div>
      ))}
      <p class="hint">All of it is in the <a href="docs">API document</a>.</p>
    </section>
  );
}
