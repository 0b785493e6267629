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
