/** What stands in place of what can not be shown. */

import type { ComponentChildren } from "preact";
import type { Refused } from "../wire/ask.ts";

export function RefusedNotice({ refused }: { refused: Refused }) {
  return (
    <p class="notice bad" role="alert">
      The server can not answer this: <bdi>{refused.message}</bdi>
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}
