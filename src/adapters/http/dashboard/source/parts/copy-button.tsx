/** Puts a text on the clipboard and says so. */

import { useState } from "preact/hooks";

const SAID_MS = 1_500;

async function copy(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) {
    return navigator.clipboard.writeText(text);
  }
  // Without TLS and away from localhost there is no clipboard but the selection's.
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "hidden";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  return undefined;
}

export function CopyButton({ text, children }: { text: () => string; children: string }) {
  const [said, setSaid] = useState("");
  return (
    <button type="button" class="control small"
      onClick={() => {
        copy(text()).then(() => setSaid("Copied"), () => setSaid("Not copied"));
        setTimeout(() => setSaid(""), SAID_MS);
      }}><span aria-live="polite">{said || children}</span></button>
  );
}
