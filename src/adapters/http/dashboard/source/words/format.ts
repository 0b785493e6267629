/** Numbers and times as people read them; each is text of few characters, ready for a table. */

const MINUS = "\u2212";
const SPACE = "\u00a0";

/** Three significant digits at most, with thousands separated. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (size === 0) {
    return "0";
  }
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
  const text = value.toFixed(digits);
  const shown = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return grouped(shown);
}

function grouped(text: string): string {
  const [whole = "", fraction] = text.replace("-", MINUS).split(".");
  const parts = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return fraction ? `${parts}.${fraction}` : parts;
}

/** 1,234 as it is; from ten thousand on in k, M or G. */
export function count(value: number): string {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) {
    if (value >= size * (unit === "k" ? 10 : 1)) {
      return `${number(value / size)}${SPACE}${unit}`;
    }
  }
  return grouped(String(Math.round(value)));
}

export function rate(perSecond: number): string {
  return perSecond > 0 && perSecond < 0.005
    ? `${number(perSecond * 60)}/min`
    : `${number(perSecond)}/s`;
}

export function percent(ratio: number): string {
  const value = ratio * 100;
  if (value > 0 && value < 0.01) {
    return `<0.01${SPACE}%`;
  }
  return `${number(value >= 10 ? Math.round(value) : Number(value.toPrecision(2)))}${SPACE}%`;
}

export function latency(milliseconds: number): string {
  if (milliseconds >= 1_000) {
    const seconds = milliseconds / 1_000;
    return `${number(Number(seconds.toPrecision(3)))}${SPACE}s`;
  }
  return `${number(Number(milliseconds.toPrecision(milliseconds < 10 ? 2 : 3)))}${SPACE}ms`;
}

/** The two largest units: "6 d 4 h". */
export function duration(seconds: number): string {
  const units = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) {
    return `0${SPACE}s`;
  }
  const parts: string[] = [];
  let rest = Math.floor(seconds);
  for (const [unit, size] of units.slice(first, first + 2)) {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    if (whole > 0) {
      parts.push(`${whole}${SPACE}${unit}`);
    }
  }
  return parts.join(" ");
}

export function ago(then: number, now: number): string {
  const seconds = Math.max(0, (now - then) / 1_000);
  return seconds < 5 ? "now" : `${duration(seconds).split(" ")[0] ?? ""} ago`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function two(value: number): string {
  return String(value).padStart(2, "0");
}

export function day(milliseconds: number): string {
  const at = new Date(milliseconds);
  return `${at.getDate()}${SPACE}${MONTHS[at.getMonth()] ?? ""}`;
}

export function clock(milliseconds: number, withSeconds = false): string {
  const at = new Date(milliseconds);
  const text = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return withSeconds ? `${text}:${two(at.getSeconds())}` : text;
}

/** A moment in the reader's time zone, the day left out where it is today's. */
export function moment(milliseconds: number, now: number, withSeconds = false): string {
  const time = clock(milliseconds, withSeconds);
  const isToday = new Date(milliseconds).toDateString() === new Date(now).toDateString();
  return isToday ? time : `${day(milliseconds)} ${time}`;
}

/** How a value changed against what it was: "+38 %", or nothing where that says nothing. */
export function change(now: number, before: number): string {
  if (before <= 0) {
    return "";
  }
  const ratio = now / before - 1;
  if (Math.abs(ratio) < 0.005) {
    return `±0${SPACE}%`;
  }
  if (ratio >= 9) {
    return `×${number(Math.round(now / before))}`;
  }
  const sign = ratio < 0 ? MINUS : "+";
  return `${sign}${Math.max(1, Math.round(Math.abs(ratio) * 100))}${SPACE}%`;
}
