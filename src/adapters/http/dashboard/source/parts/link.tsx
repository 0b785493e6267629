/** A link within the page: real, so that it opens in a new tab, and without a load otherwise. */

import type { ComponentChildren } from "preact";
import { type Changes, type View, changed, go, here, link, moved } from "../state/place.ts";

interface Props {
  params: URLSearchParams;
  class?: string;
  title?: string;
  isCurrent?: boolean;
  children: ComponentChildren;
}

export function Link({ params, isCurrent, children, ...rest }: Props) {
  return (
    <a
      {...rest}
      href={link(params)}
      aria-current={isCurrent ? "page" : undefined}
      onClick={(event) => {
        if (event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
          event.preventDefault();
          go(params);
        }
      }}
    >
      {children}
    </a>
  );
}

export function toView(view: View, extra: Changes = {}): URLSearchParams {
  return moved(here(), view, extra);
}

export function withChanges(changes: Changes): URLSearchParams {
  return changed(here(), changes);
}
