/** A search that goes into the URL while one types. */

import { useEffect, useRef, useState } from "preact/hooks";
import { adjust, changed, here } from "../state/place.ts";

const WAIT_MS = 200;

interface Props {
  name: string;
  value: string;
  placeholder: string;
  label: string;
}

export function SearchField({ name, value, placeholder, label }: Props) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const isTyping = useRef(false);
  useEffect(() => {
    if (!isTyping.current) {
      setText(value);
    }
  }, [value]);
  const settle = (next: string): void => {
    isTyping.current = false;
    adjust(changed(here(), { [name]: next.trim() || null }));
  };
  return (
    <label class="search">
      <span class="hidden">{label}</span>
      <svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="7" cy="7" r="4.5" /><path d="M10.5 10.5L14 14" /></svg>
      <input type="search" value={text} placeholder={placeholder} autocomplete="off" spellcheck={false} maxLength={200}
        onInput={(event) => {
          const next = event.currentTarget.value;
          setText(next);
          isTyping.current = true;
          clearTimeout(timer.current);
          timer.current = setTimeout(() => settle(next), WAIT_MS);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") {
            clearTimeout(timer.current);
            setText("");
            settle("");
            event.currentTarget.blur();
          }
        }} />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}
