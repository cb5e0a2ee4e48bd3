// Charts, drawn simply: bars, lines, areas, points, pies. Others are named in place, with their title.
import { html } from "../../vendor/index.js";
import { t } from "../i18n.js";
import { asText, extent, isObject, listOf, useCard } from "./context.js";
import { register } from "./tags.js";

const RATIOS = { "1:1": 1, "2:1": 2, "4:3": 4 / 3, "16:9": 16 / 9 };
const SERIES = ["blue-500", "turquoise-400", "orange-400", "violet-400", "green-400", "wathet-400", "carmine-400", "yellow-400", "purple-400", "indigo-400"];
const CARTESIAN = new Set(["bar", "line", "area", "scatter", "histogram"]);
const MOST_POINTS = 400;
const WIDE = 560;
const PAD = { left: 48, right: 12, top: 12, bottom: 44 };

const tone = (n) => `var(--${SERIES[n % SERIES.length]})`;
const first = (field) => (Array.isArray(field) ? asText(field[0]) : asText(field));

/** The points of a chart, from `data` in any of its shapes. */
function pointsOf(spec) {
  const data = spec.data;
  const values = Array.isArray(data) ? (isObject(data[0]) && Array.isArray(data[0].values) ? data.flatMap((one) => listOf(one?.values)) : data) : isObject(data) ? data.values : [];
  return listOf(values).filter(isObject).slice(0, MOST_POINTS);
}

const numeric = (value) => (Number.isFinite(Number(value)) ? Number(value) : 0);
const short = (value) => (Math.abs(value) >= 10_000 ? Intl.NumberFormat("en", { notation: "compact" }).format(value) : String(Math.round(value * 100) / 100));

function Chart({ node }) {
  useCard();
  const spec = isObject(node.chart_spec) ? node.chart_spec : {};
  const kind = asText(spec.type);
  const ratio = RATIOS[node.aspect_ratio] ?? 16 / 9;
  const title = asText(isObject(spec.title) ? spec.title.text : spec.title);
  const height = extent(node.height);
  const points = pointsOf(spec);
  const style = height ? { height } : { aspectRatio: String(ratio) };
  let drawn = null;
  if (points.length && CARTESIAN.has(kind) && spec.xField && spec.yField) drawn = html`<${Cartesian} spec=${spec} kind=${kind} points=${points} ratio=${ratio} />`;
  else if (points.length && (kind === "pie" || kind === "rose") && spec.valueField) drawn = html`<${Pie} spec=${spec} points=${points} />`;
  return html`<figure class="chart" style=${drawn ? {} : style} data-chart=${kind.slice(0, 40)}>
    ${title && html`<figcaption>${title}</figcaption>`}
    ${drawn ?? html`<div class="named">${t("Chart of type {type} is not drawn", { type: `“${kind.slice(0, 40) || "?"}”` })}</div>`}
  </figure>`;
}

function grouped(spec, points) {
  const x = first(spec.xField);
  const y = first(spec.yField);
  const by = first(spec.seriesField);
  const across = spec.direction === "horizontal";
  const labels = [...new Set(points.map((point) => String(point[across ? y : x] ?? "")))];
  const names = by ? [...new Set(points.map((point) => String(point[by] ?? "")))] : [""];
  const table = names.map(() => new Map());
  for (const point of points) {
    const series = by ? names.indexOf(String(point[by] ?? "")) : 0;
    table[series].set(String(point[across ? y : x] ?? ""), numeric(point[across ? x : y]));
  }
  return { labels, names, table };
}

function Cartesian({ spec, kind, points, ratio }) {
  const { labels, names, table } = grouped(spec, points);
  const high = Math.round(WIDE / ratio);
  const isStacked = spec.stack === true && kind !== "scatter";
  const sums = labels.map((label) => table.reduce((sum, series) => sum + Math.max(0, series.get(label) ?? 0), 0));
  const all = table.flatMap((series) => [...series.values()]);
  const top = Math.max(0, ...(isStacked ? sums : all)) || 1;
  const low = Math.min(0, ...all);
  const width = WIDE - PAD.left - PAD.right;
  const depth = high - PAD.top - PAD.bottom;
  const y = (value) => PAD.top + depth * (1 - (value - low) / (top - low));
  const slot = width / Math.max(1, labels.length);
  const x = (n) => PAD.left + slot * (n + 0.5);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => low + (top - low) * part);
  const every = Math.ceil(labels.length / 8);
  return html`<svg viewBox=${`0 0 ${WIDE} ${high}`} role="img" aria-label=${`${kind}: ${labels.slice(0, 20).join(", ")}`}>
    ${ticks.map((tick) => html`<g key=${tick}><line class="chart-grid" x1=${PAD.left} x2=${WIDE - PAD.right} y1=${y(tick)} y2=${y(tick)} /><text class="chart-label" x=${PAD.left - 6} y=${y(tick) + 4} text-anchor="end">${short(tick)}</text></g>`)}
    ${labels.map((label, n) => n % every === 0 && html`<text key=${label} class="chart-label" x=${x(n)} y=${high - PAD.bottom + 16} text-anchor="middle">${label.slice(0, 12)}</text>`)}
    ${table.map((series, s) => html`<${Series} key=${s} kind=${kind} series=${series} s=${s} table=${table} labels=${labels} x=${x} y=${y} slot=${slot} stacked=${isStacked} low=${low} />`)}
    ${names.length > 1 && names.slice(0, 6).map((name, n) => html`<g key=${name}><rect x=${PAD.left + n * 86} y=${high - 16} width="10" height="10" rx="2" style=${{ fill: tone(n) }} /><text class="chart-label" x=${PAD.left + n * 86 + 14} y=${high - 7}>${name.slice(0, 10)}</text></g>`)}
  </svg>`;
}

function Series({ kind, series, s, table, labels, x, y, slot, stacked, low }) {
  const base = Math.max(0, low);
  if (kind === "bar" || kind === "histogram") {
    const share = stacked ? 1 : table.length;
    const wide = Math.max(1, (slot * 0.7) / share);
    return labels.map((label, n) => {
      const value = series.get(label);
      if (value === undefined) return null;
      const below = stacked ? table.slice(0, s).reduce((sum, other) => sum + Math.max(0, other.get(label) ?? 0), 0) : base;
      const end = stacked ? below + value : value;
      const left = x(n) - (wide * share) / 2 + (stacked ? 0 : s * wide);
      return html`<rect key=${label} x=${left} y=${Math.min(y(below), y(end))} width=${wide} height=${Math.max(1, Math.abs(y(below) - y(end)))} rx="2" style=${{ fill: tone(s) }}><title>${label}: ${value}</title></rect>`;
    });
  }
  const dots = labels.map((label, n) => (series.has(label) ? [x(n), y(series.get(label)), label] : null)).filter(Boolean);
  const line = dots.map(([a, b]) => `${a},${b}`).join(" ");
  const area = dots.length ? `${dots[0][0]},${y(base)} ${line} ${dots[dots.length - 1][0]},${y(base)}` : "";
  return html`<g>
    ${kind === "area" && html`<polygon points=${area} style=${{ fill: tone(s), opacity: "0.25" }} />`}
    ${kind !== "scatter" && html`<polyline points=${line} fill="none" stroke-width="2" style=${{ stroke: tone(s) }} />`}
    ${dots.length <= 60 && dots.map(([a, b, label]) => html`<circle key=${label} cx=${a} cy=${b} r=${kind === "scatter" ? 4 : 2.5} style=${{ fill: tone(s) }}><title>${label}: ${series.get(label)}</title></circle>`)}
  </g>`;
}

function Pie({ spec, points }) {
  const shown = points.slice(0, 24).map((point) => ({ name: String(point[first(spec.categoryField)] ?? ""), value: Math.max(0, numeric(point[first(spec.valueField)])) }));
  const total = shown.reduce((sum, one) => sum + one.value, 0) || 1;
  const inner = Math.min(0.9, Math.max(0, Number(spec.innerRadius) || 0)) * 90;
  let turned = 0;
  const slices = shown.map((one, n) => {
    const start = turned;
    turned += one.value / total;
    return html`<path key=${n} d=${slice(start, turned, 90, inner)} style=${{ fill: tone(n) }}><title>${one.name}: ${one.value}</title></path>`;
  });
  return html`<div class="pie"><svg viewBox="-100 -100 200 200" role="img" aria-label=${shown.map((one) => `${one.name} ${one.value}`).join(", ")}>${slices}</svg>
    <ul class="pie-legend">${shown.map((one, n) => html`<li key=${n}><span class="pie-dot" style=${{ background: tone(n) }}></span>${one.name} <b>${short(one.value)}</b></li>`)}</ul></div>`;
}

function slice(from, to, radius, inner) {
  const full = to - from >= 0.9999;
  const point = (part, r) => `${(Math.sin(part * 2 * Math.PI) * r).toFixed(2)} ${(-Math.cos(part * 2 * Math.PI) * r).toFixed(2)}`;
  const end = full ? from + 0.9999 : to;
  const big = end - from > 0.5 ? 1 : 0;
  const outer = `M ${point(from, radius)} A ${radius} ${radius} 0 ${big} 1 ${point(end, radius)}`;
  return inner ? `${outer} L ${point(end, inner)} A ${inner} ${inner} 0 ${big} 0 ${point(from, inner)} Z` : `${outer} L 0 0 Z`;
}

register({ chart: Chart });
