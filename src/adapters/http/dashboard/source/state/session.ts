/** What this browser may do, and signing it in and out. */

import { ask, reach } from "../wire/ask.ts";
import type { Session } from "../wire/shapes.ts";
import { Cell } from "./cell.ts";
import { beat } from "./pulse.ts";

/** Whether the server wants a token that this browser has not given. */
export const isSignedOut = new Cell(false);

export const session = new Cell<Session | undefined>(undefined);

/** A header that only a script of this origin can set: a write without it is refused. */
const OWN_PAGE = { "X-Ops-CSRF": "1" };

export async function learnSession(): Promise<void> {
  const found = await ask<Session>("session");
  session.value = found;
  isSignedOut.value = !found.may_read;
}

/** Exchange a token for a session. Throws `Refused` where it is wrong. */
export async function signIn(token: string): Promise<void> {
  await send("POST", "session", { token });
  await learnSession();
  beat();
}

export async function signOut(): Promise<void> {
  await send("DELETE", "session");
  await learnSession();
  beat();
}

/** A write from this page, with the session's cookie. Throws `Refused`, `Unreachable`. */
export async function send(method: string, path: string, body?: object): Promise<Response> {
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  const type: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
  return reach(path, { method, headers: { Accept: "application/json", ...OWN_PAGE, ...type }, ...content });
}
