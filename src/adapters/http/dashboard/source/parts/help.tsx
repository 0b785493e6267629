/** What the keyboard does. */

import { useEffect, useRef } from "preact/hooks";

const KEYS = [
  ["/", "search"],
  ["g o", "overview"],
  ["g p", "endpoints"],
  ["g e", "events"],
  ["g r", "errors"],
  ["g d", "deploys"],
  ["[  ]", "earlier, later"],
  ["+  −", "zoom in, zoom out"],
  ["r", "ask again now"],
  ["t", "light, dark, as the system"],
  ["Esc", "close"],
  ["?", "this help"],
] as const;

export function Help({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={onClose}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
      <div>
        <h2 id="help-title">Keyboard</h2>
        <dl>
          {KEYS.map(([keys, does]) => (
            <div key={keys}><dt>{keys.split(/ +/).map((key) => <kbd key={key}>{key}</kbd>)}</dt><dd>{does}</dd></div>
          ))}
        </dl>
        <p class="hint">Drag over a chart to zoom in; double click to go back. All that you see stands in the address: copy it to share it. The <a href="docs">API</a> gives the same numbers.</p>
        <button type="button" class="control" onClick={() => dialog.current?.close()}>Close</button>
      </div>
    </dialog>
  );
}
