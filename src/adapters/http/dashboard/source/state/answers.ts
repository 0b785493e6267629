/** Answers of the server, kept while newer ones are on their way, so that nothing flickers. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Refused, ask } from "../wire/ask.ts";
import { took } from "./connection.ts";
import { useBeat } from "./pulse.ts";
import { isSignedOut } from "./session.ts";

const KEPT = 40;

export interface Answer<T> {
  /** The newest answer; an older one while the next is awaited, undefined before the first. */
  value: T | undefined;
  /** What the server said against the question. */
  refused: Refused | undefined;
  isWaiting: boolean;
}

const kept = new Map<string, unknown>();
const awaited = new Map<string, Promise<unknown>>();
const ahead = new Map<string, Promise<unknown>>();

function keep(path: string, value: unknown): void {
  kept.delete(path);
  kept.set(path, value);
  const oldest = kept.keys().next();
  if (kept.size > KEPT && !oldest.done) {
    kept.delete(oldest.value);
  }
}

/** Ask before what wants the answer is drawn: whoever wants it first gets this one. */
export function askAhead(path: string): void {
  const answer = ask(path);
  answer.catch(() => undefined); // told to whoever takes it
  ahead.set(path, answer);
}

/** Ask once, however many want the same at the same time. */
async function shared<T>(path: string): Promise<T> {
  let answer = awaited.get(path) as Promise<T> | undefined;
  if (answer === undefined) {
    answer = (ahead.get(path) as Promise<T> | undefined) ?? ask<T>(path);
    ahead.delete(path);
    awaited.set(path, answer);
    try {
      keep(path, await answer);
    } finally {
      awaited.delete(path);
    }
  }
  return answer;
}

/** What the server answers at a path, asked again at each beat, if not "once"; nothing for null. */
export function useAnswer<T>(path: string | null, often: "each beat" | "once" = "each beat"): Answer<T> {
  const first = path === null ? undefined : kept.get(path);
  return useAsked<T>(path, () => shared<T>(path ?? ""), first, often);
}

/** The answers at several paths, once all are there. */
export function useAnswers<T>(paths: string[] | null): Answer<T[]> {
  const key = paths === null ? null : paths.join("\n");
  return useAsked<T[]>(key, () => Promise.all((paths ?? []).map((path) => shared<T>(path))), undefined, "each beat");
}

/** Another key's answer is shown until the new one is there, as long as the component lives. */
function useAsked<T>(key: string | null, question: () => Promise<T>, first: unknown, often: string): Answer<T> {
  const beats = useBeat();
  const beat = often === "once" ? 0 : beats;
  const [answer, setAnswer] = useState<Answer<T>>(() => ({
    value: first as T | undefined,
    refused: undefined,
    isWaiting: key !== null,
  }));
  const shown = useRef(key);
  useEffect(() => {
    if (key === null) {
      setAnswer({ value: undefined, refused: undefined, isWaiting: false });
      return undefined;
    }
    let wanted = true;
    if (shown.current !== key) {
      shown.current = key;
      setAnswer((before) => ({ ...before, refused: undefined, isWaiting: true }));
    }
    question().then(
      (value) => wanted && setAnswer({ value, refused: undefined, isWaiting: false }),
      (error: unknown) => {
        took(error);
        isSignedOut.value ||= error instanceof Refused && error.status === 401;
        if (wanted && error instanceof Refused) {
          setAnswer((before) => ({ ...before, refused: error, isWaiting: false }));
        }
      },
    );
    return () => {
      wanted = false;
    };
  }, [key, beat]);
  return answer;
}
