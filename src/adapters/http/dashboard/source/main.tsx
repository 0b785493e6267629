import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style/tokens.css";
import "./style/page.css";
import "./style/charts.css";
import "./style/narrow.css";
import { App } from "./app.tsx";
import { askAhead } from "./state/answers.ts";
import { here, viewOf } from "./state/place.ts";
import { windowOf } from "./state/time-window.ts";
import { overviewPath } from "./views/overview.tsx";

if (viewOf(here()) === "overview") {
  askAhead(overviewPath(windowOf(here()), here().get("service")));
}
const page = document.getElementById("page");
if (page !== null) {
  render(<App />, page);
}
