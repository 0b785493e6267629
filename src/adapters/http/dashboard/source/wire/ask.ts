/** One question to the server, and what can go wrong with it. */

/** The server refused: what its problem+json says. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

/** No answer came: the server is gone, or the network is. */
export class Unreachable extends Error {}

export type Query = Record<string, string | number | null | undefined>;

/** A path with its parameters, those left out that have no value. Relative, as the page is. */
export function address(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") {
      params.set(name, String(value));
    }
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

/** The answer to a GET. Throws `Refused` or `Unreachable`. */
export async function ask<T>(path: string): Promise<T> {
  const answer = await reach(path, { headers: { Accept: "application/json" } });
  return (await answer.json()) as T;
}

/** Any request; its answer if that is a 2xx. Throws `Refused` or `Unreachable`. */
export async function reach(path: string, request: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...request });
  } catch (error) {
    throw new Unreachable(String(error));
  }
  if (answer.ok) {
    return answer;
  }
  throw new Refused(answer.status, await detailOf(answer));
}

async function detailOf(answer: Response): Promise<string> {
  try {
    const problem = (await answer.json()) as { detail?: unknown };
    return typeof problem.detail === "string" ? problem.detail : answer.statusText;
  } catch {
    return answer.statusText || `status ${answer.status}`;
  }
}
