/** Which service is shown: one, or all. */

import { useAnswer } from "../state/answers.ts";
import type { KnownService } from "../wire/shapes.ts";
import { Menu } from "./menu.tsx";
import { choose } from "./window-picker.tsx";

export function ServicePicker({ service }: { service: string | null }) {
  return (
    <Menu name="Service" label={<span class="cut">{service ?? "All services"}</span>}>
      {(close) => <Choices service={service} close={close} />}
    </Menu>
  );
}

function Choices({ service, close }: { service: string | null; close: () => void }) {
  const { value = [] } = useAnswer<KnownService[]>("services");
  return (
    <div class="options" role="group" aria-label="Service">
      {[null, ...value.map((each) => each.service)].map((name) => (
        <button type="button" key={name ?? ""} aria-pressed={name === service}
          onClick={() => {
            choose({ service: name });
            close();
          }}><bdi>{name ?? "All services"}</bdi></button>
      ))}
    </div>
  );
}
