/** Asks for a token once; the server gives a cookie that no script can read. */

import { useState } from "preact/hooks";
import { signIn } from "../state/session.ts";

interface Props {
  title: string;
  text: string;
  onDone?: () => void;
}

export function SignIn({ title, text, onDone }: Props) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  return (
    <form class="sign-in" aria-labelledby="sign-in-title"
      onSubmit={(event) => {
        event.preventDefault();
        setIsBusy(true);
        signIn(token).then(
          () => onDone?.(),
          (error: unknown) => {
            setIsBusy(false);
            setProblem(error instanceof Error ? error.message : String(error));
          },
        );
      }}>
      <h1 id="sign-in-title">{title}</h1>
      <p class="hint">{text}</p>
      <label>Token<input type="password" required autocomplete="current-password" value={token}
        aria-invalid={problem !== ""} aria-describedby="sign-in-problem" autofocus
        onInput={(event) => setToken(event.currentTarget.value)} /></label>
      <p id="sign-in-problem" class="problem" role="alert">{problem}</p>
      <button type="submit" class="control primary" disabled={isBusy}>Sign in</button>
    </form>
  );
}
