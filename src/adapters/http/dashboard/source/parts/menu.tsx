/** A button with a list below it. Escape, a click elsewhere or a choice closes it. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface Props {
  label: ComponentChildren;
  /** What is chosen by it, for those who do not see where it stands. */
  name: string;
  class?: string;
  children: (close: () => void) => ComponentChildren;
}

export function Menu({ label, name, class: className = "", children }: Props) {
  const [isOpen, setIsOpen] = useState(false);
  const holder = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    if (!isOpen) {
      return undefined;
    }
    const onDown = (event: Event): void => {
      if (!holder.current?.contains(event.target as Node)) {
        setIsOpen(false);
      }
    };
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape") {
        setIsOpen(false);
        button.current?.focus();
      }
    };
    document.addEventListener("pointerdown", onDown);
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("pointerdown", onDown);
      document.removeEventListener("keydown", onKey);
    };
  }, [isOpen]);

  const close = (): void => {
    setIsOpen(false);
    button.current?.focus();
  };
  return (
    <div class={`menu ${className}`} ref={holder}>
      <button
        type="button"
        class="control"
        ref={button}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={() => setIsOpen(!isOpen)}
      >
        <span class="hidden">{name}: </span>
        {label}
        <svg class="caret" viewBox="0 0 10 6" aria-hidden="true">
          <path d="M1 1l4 4 4-4" />
        </svg>
      </button>
      <div id={id} class={isOpen ? "menu-list" : "gone"}>
        {isOpen && children(close)}
      </div>
    </div>
  );
}
