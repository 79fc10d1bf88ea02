// Charts as SVG, drawn to the width that is there; the same numbers stand in a table below.

import { h, svg, table } from "./playground_dom.js";

const HEIGHT = 240;
const MARGIN = { top: 8, right: 8, bottom: 24, left: 48 };
const MOST_SERIES = 12, MOST_LABELS = 200, COLOURS = 6;
const LABEL_PX = 64;
const SHOWN = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

const props = (item) => item?.props ?? item ?? {};
const list = (value) => (Array.isArray(value) ? value : []);
const words = (value) => (value === null || value === undefined || typeof value === "object" ? "" : String(value));
const amount = (value) => (Number.isFinite(value) ? value : 0);
const tone = (at) => `hue-${at % COLOURS}`;

// `shape`: bar, line or area.
export function chart(shape, { labels, series, variant, xLabel, yLabel }) {
  const names = list(labels).slice(0, MOST_LABELS).map(words);
  const rows = list(series).slice(0, MOST_SERIES).map((one) => ({
    name: words(props(one).category),
    values: names.map((_, at) => amount(list(props(one).values)[at])),
  }));
  const told = rows.map(({ name }) => name).join(", ");
  const draw = (width) => plot(shape, names, rows, width, variant);
  return h("figure", { class: "made-plot" },
    legend(rows.map(({ name }) => name)),
    yLabel ? h("p", { class: "small muted" }, words(yLabel)) : null,
    fitted(draw, `${{ bar: "Bars", line: "Lines", area: "Areas" }[shape]}: ${told}, by ${names.length} labels`),
    xLabel ? h("p", { class: "small muted middle" }, words(xLabel)) : null,
    numbers(["", ...rows.map(({ name }) => name)], names.map((name, at) => [name, ...rows.map((row) => row.values[at])])));
}

export function pie({ slices, variant }) {
  const rows = list(slices).slice(0, MOST_SERIES).map((one) => [words(props(one).category), Math.max(0, amount(props(one).value))]);
  const whole = rows.reduce((sum, [, value]) => sum + value, 0);
  const share = (value) => (whole ? `${Math.round((100 * value) / whole)} %` : "–");
  return h("figure", { class: "made-plot" },
    legend(rows.map(([name, value]) => `${name} ${share(value)}`)),
    fitted((width) => circle(rows, whole, width, variant === "donut"), `Shares: ${rows.map(([name, v]) => `${name} ${share(v)}`).join(", ")}`),
    numbers(["", "Value", "Share"], rows.map(([name, value]) => [name, value, share(value)])));
}

function legend(names) {
  return h("ul", { class: "legend" }, names.map((name, at) => h("li", {}, h("i", { class: tone(at) }), name)));
}

function numbers(head, rows) {
  const column = (text, at) => ({ text: words(text), number: at > 0 });
  return h("details", { class: "more" }, h("summary", {}, "The numbers"),
    table("The numbers of the chart", head.map(column), rows.map((row) => row.map(column))));
}

// Text in a picture that is scaled could not be read on a phone.
function fitted(draw, label) {
  const place = h("div", { class: "fitted", role: "img", "aria-label": label });
  let drawn = 0;
  new ResizeObserver(([{ contentRect: { width } }]) => {
    if (!width || Math.abs(width - drawn) < 2) return;
    drawn = width;
    place.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, "aria-hidden": "true" }, draw(width)));
  }).observe(place);
  return place;
}

function plot(shape, names, rows, width, variant) {
  const stacked = shape === "bar" && variant === "stacked";
  const sums = names.map((_, at) => rows.reduce((sum, row) => sum + Math.max(0, row.values[at]), 0));
  const values = stacked ? sums : rows.flatMap((row) => row.values);
  const low = Math.min(0, ...rows.flatMap((row) => row.values));
  const ticks = steps(low, Math.max(0, ...values));
  const [bottom, top] = [ticks[0], ticks.at(-1)];
  const y = (value) => MARGIN.top + ((top - value) / (top - bottom || 1)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const band = (width - MARGIN.left - MARGIN.right) / (names.length || 1);
  const x = (at) => MARGIN.left + band * (at + 0.5);
  const marks = shape === "bar" ? bars(names, rows, x, y, band, stacked) : lines(shape, rows, x, y, variant);
  return [axes(names, ticks, x, y, band, width), marks];
}

// Round numbers from at most `low` to at least `high`.
function steps(low, high) {
  const rough = (high - low || 1) / 4;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 5, 10].find((factor) => factor * size >= rough * 0.999);
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(high / step));
  return Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step);
}

function axes(names, ticks, x, y, band, width) {
  const every = Math.ceil(LABEL_PX / band);
  return svg("g", { class: "axes" },
    ticks.map((tick) => [
      svg("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
      svg("text", { x: MARGIN.left - 6, y: y(tick) + 4, "text-anchor": "end" }, SHOWN.format(tick)),
    ]),
    names.map((name, at) => at % every ? null
      : svg("text", { x: x(at), y: HEIGHT - 6, "text-anchor": "middle" }, name.length > 14 ? name.slice(0, 13) + "…" : name)));
}

function bars(names, rows, x, y, band, stacked) {
  const wide = Math.min(48, (band * 0.7) / (stacked ? 1 : rows.length || 1));
  const base = names.map(() => 0);
  return rows.map((row, i) => svg("g", { class: tone(i) }, row.values.map((value, at) => {
    const from = stacked ? base[at] : 0;
    base[at] += Math.max(0, value);
    const to = stacked ? base[at] : value;
    const left = x(at) + (stacked ? -wide / 2 : (i - rows.length / 2) * wide);
    return svg("rect", { x: left, y: Math.min(y(from), y(to)), width: Math.max(1, wide - 1), height: Math.abs(y(from) - y(to)) },
      svg("title", {}, `${names[at]}: ${row.name} ${value}`));
  })));
}

function lines(shape, rows, x, y, variant) {
  return rows.map((row, i) => {
    const points = row.values.map((value, at) => [x(at), y(value)]);
    if (!points.length) return null;
    const path = curve(points, variant);
    const [left, right] = [points[0][0], points.at(-1)[0]];
    return svg("g", { class: tone(i) },
      shape === "area" ? svg("path", { class: "area", d: `${path} L${right} ${y(0)} L${left} ${y(0)} Z` }) : null,
      svg("path", { class: "line", d: path }),
      points.length > 60 ? null : points.map(([px, py], at) =>
        svg("circle", { cx: px, cy: py, r: 3 }, svg("title", {}, `${row.name} ${row.values[at]}`))));
  });
}

function curve(points, variant) {
  const [[startX, startY], ...rest] = points;
  let before = points[0];
  const parts = rest.map(([px, py]) => {
    const [bx, by] = before;
    const middle = (bx + px) / 2;
    before = [px, py];
    if (variant === "step") return `L${middle} ${by} L${middle} ${py} L${px} ${py}`;
    return variant === "natural" ? `C${middle} ${by} ${middle} ${py} ${px} ${py}` : `L${px} ${py}`;
  });
  return `M${startX} ${startY} ${parts.join(" ")}`;
}

function circle(rows, whole, width, isDonut) {
  const radius = HEIGHT / 2 - MARGIN.top;
  const [cx, cy] = [width / 2, HEIGHT / 2];
  const at = (turn) => `${cx + radius * Math.sin(turn * 2 * Math.PI)} ${cy - radius * Math.cos(turn * 2 * Math.PI)}`;
  let from = 0;
  const parts = rows.map(([name, value], i) => {
    const share = whole ? value / whole : 0;
    const [start, end] = [from, from + share];
    from = end;
    const d = share > 0.9999
      ? `M${at(0)} A${radius} ${radius} 0 1 1 ${at(0.5)} A${radius} ${radius} 0 1 1 ${at(1)} Z`
      : `M${cx} ${cy} L${at(start)} A${radius} ${radius} 0 ${share > 0.5 ? 1 : 0} 1 ${at(end)} Z`;
    return share ? svg("path", { class: `slice ${tone(i)}`, d }, svg("title", {}, `${name}: ${value}`)) : null;
  });
  return [parts, isDonut ? svg("circle", { class: "hole", cx, cy, r: radius * 0.55 }) : null];
}
