import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style/tokens.css";
import "./style/page.css";
import "./style/charts.css";
import "./style/narrow.css";
import { App } from "./app.tsx";

const page = document.getElementById("page");
if (page !== null) {
  render(<App />, page);
}
