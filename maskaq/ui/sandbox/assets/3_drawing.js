// The picture: numbers above, levels below, and what goes where in between.

const PLOT = { side: 14, top: 26, axis: 180, level: 245, bottom: 312, bins: 80 };
const MOST_WAYS = 64; // levels; more would not be told apart

// How values lie across the plot.
function scale(width, [low, high]) {
  const factor = (width - 2 * PLOT.side) / (high - low);
  return { x: (value) => PLOT.side + (value - low) * factor, value: (x) => low + (x - PLOT.side) / factor, low, high };
}

function drawNumbers(layer, values, across) {
  const counts = histogram(values, across.low, across.high, PLOT.bins);
  const most = Math.max(...counts);
  const wide = (across.high - across.low) / PLOT.bins;
  counts.forEach((count, i) => {
    if (!count) return;
    const height = Math.max(2, (count / most) * (PLOT.axis - PLOT.top - 8));
    const x = across.x(across.low + i * wide);
    svg(layer, "rect", { class: "bar", x, y: PLOT.axis - height, width: Math.max(1, across.x(across.low + (i + 1) * wide) - x - 0.5), height });
  });
}

function drawAxis(layer, across, width) {
  svg(layer, "line", { class: "axis", x1: PLOT.side, x2: width - PLOT.side, y1: PLOT.axis, y2: PLOT.axis });
  for (const tick of ticks(across.low, across.high, Math.max(3, width / 110))) {
    svg(layer, "line", { class: "axis", x1: across.x(tick), x2: across.x(tick), y1: PLOT.axis, y2: PLOT.axis + 4 });
    svg(layer, "text", { x: across.x(tick), y: 327, "text-anchor": "middle" }, short(Number(tick.toPrecision(6))));
  }
}

// The numbers beyond the outer edges, hatched, and the edges with their handles.
function drawRange(layer, edges, across, width) {
  const pattern = svg(svg(layer, "defs", {}), "pattern", { id: "sb-hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  svg(pattern, "line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 7 });
  const [low, high] = [edges[0], edges[edges.length - 1]].map(across.x);
  const spans = [[PLOT.side, low], [high, width - PLOT.side]];
  for (const [from, to] of spans) {
    if (to > from) svg(layer, "rect", { class: "beyond", x: from, y: PLOT.top, width: to - from, height: PLOT.axis - PLOT.top });
  }
}

function drawWays(layer, levels, edges, across, here) {
  levels.forEach((level, i) => {
    if (levels.length > MOST_WAYS && i !== here) return;
    const points = [[edges[i], PLOT.axis], [edges[i + 1], PLOT.axis], [level, PLOT.level]];
    svg(layer, "polygon", {
      class: i === here ? "way here" : "way",
      points: points.map(([value, y]) => `${across.x(value)},${y}`).join(" "),
    });
  });
}

function drawLevels(layer, levels, counts, across) {
  const most = Math.max(...counts);
  const wide = Math.max(1.5, Math.min(12, 240 / levels.length));
  levels.forEach((level, i) => {
    const x = across.x(level);
    svg(layer, "line", { class: "level", x1: x, x2: x, y1: PLOT.level - 9, y2: PLOT.level + 3 });
    const height = (counts[i] / most) * (PLOT.bottom - PLOT.level - 6);
    if (counts[i]) svg(layer, "rect", { class: "landed", x: x - wide / 2, y: PLOT.level + 5, width: wide, height: Math.max(1.5, height) });
  });
}

function drawArrow(layer, value, level, across) {
  const [x, to] = [across.x(value), across.x(level)];
  svg(layer, "line", { class: "arrow", x1: x, x2: x, y1: PLOT.top, y2: PLOT.axis, "stroke-dasharray": "2 3" });
  svg(layer, "path", { class: "arrow", d: `M${x},${PLOT.axis} L${to},${PLOT.level - 10} m-4,-6 l4,6 l4,-6` });
}
