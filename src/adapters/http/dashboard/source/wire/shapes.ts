/** What the server answers, field by field, as docs/reference/http.md has it. */

export interface MetricsRow {
  service: string;
  route: string;
  method: string;
  status_code: number;
  count: number;
  latency_ms: number;
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
  max_ms: number;
}

export interface MetricsSnapshot {
  uptime_seconds: number;
  requests_total: number;
  errors_total: number;
  requests: MetricsRow[];
}

export type Points = (number | null)[];

export interface SeriesGroup {
  labels: Record<string, string>;
  count: number[];
  rate: number[];
  errors: number[];
  mean_ms: Points;
  p50_ms: Points;
  p95_ms: Points;
  p99_ms: Points;
  max_ms: Points;
}

export interface TimeSeries {
  step_seconds: number;
  ts: string[];
  groups: SeriesGroup[];
}

export interface Heatmap {
  step_seconds: number;
  ts: string[];
  upto_ms: number[];
  counts: number[][];
}

export interface KnownService {
  service: string;
  routes: number;
  first_seen: string;
  last_seen: string;
}

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface OpsEvent {
  id: number;
  ts: string;
  level: string;
  type: string;
  service: string;
  message: string;
  meta: { [key: string]: Json };
}

export interface EventSummary {
  by_level: Record<string, number>;
  by_service: Record<string, number>;
  by_type: Record<string, number>;
}

export interface Session {
  may_read: boolean;
  may_write: boolean;
  writes_open: boolean;
  expires: string | null;
}

export interface Period {
  since: string;
  until: string;
  count: number;
  errors: number;
  rate: number;
  error_rate: number | null;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
}

export type Change = "more_errors" | "fewer_errors" | "slower" | "faster";

export interface Deploy {
  event: OpsEvent;
  state: "better" | "same" | "worse" | "too_few";
  verdict: string;
  changes: Change[];
  before: Period;
  after: Period;
  routes: {
    method: string;
    route: string;
    changes: Change[];
    before: Omit<Period, "since" | "until">;
    after: Omit<Period, "since" | "until">;
  }[];
  latency: { upto_ms: number[]; before: number[]; after: number[] };
}

export interface Said {
  at: string;
  by: string | null;
  note: string | null;
}

export interface ErrorGroup {
  fingerprint: string;
  type: string;
  message: string;
  state: "open" | "resolved" | "reopened";
  count: number;
  first_seen: string;
  last_seen: string;
  newest_event: number;
  services: Record<string, number>;
  routes: { service: string; route: string; count: number }[];
  trend: { since: string; step_seconds: number; counts: number[] };
  resolved: Said | null;
  reopened: Said | null;
}

export interface ErrorDetails extends ErrorGroup {
  events: number[];
  sample: {
    id: number;
    ts: string;
    service: string;
    message: string | null;
    stacktrace: string | null;
    route: string | null;
    method: string | null;
    trace_id: string | null;
    span_id: string | null;
  } | null;
}
