/** Which service is shown: one, or all. */

import { useAnswer } from "../state/answers.ts";
import type { KnownService } from "../wire/shapes.ts";
import { Menu } from "./menu.tsx";
import { choose } from "./window-picker.tsx";

export function ServicePicker({ service }: { service: string | null }) {
  const { value = [] } = useAnswer<KnownService[]>("services");
  return (
    <Menu name="Service" label={<span class="cut">{service ?? "All services"}</span>}>
      {(close) => (
        <div class="options" role="group" aria-label="Service">
          {[null, ...value.map((each) => each.service)].map((name) => (
            <button type="button" key={name ?? ""} aria-pressed={name === service}
              onClick={() => {
                choose({ service: name });
                close();
              }}><bdi>{name ?? "All services"}</bdi></button>
          ))}
        </div>
      )}
    </Menu>
  );
}
