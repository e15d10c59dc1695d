// Drawing: heat maps and outlines on canvases, charts in SVG. Nothing here keeps state.

// cividis: even steps of brightness, safe for colour-blind readers.
const STOPS = [[0, 34, 78], [42, 63, 109], [87, 93, 109], [125, 124, 120], [166, 157, 117], [211, 193, 100], [254, 232, 56]];
const COLOURS = Uint8ClampedArray.from({ length: 256 * 3 }, (_, i) => {
  const place = (Math.floor(i / 3) / 255) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[low][i % 3] + (place - low) * (STOPS[low + 1][i % 3] - STOPS[low][i % 3]);
});
const OUTLINE = "#e69f00";
const HEAD_SIDE = 168;
const shade = document.createElement("canvas");

// The picture, lit where the head attends: brightness follows the square root of the attention, so
// that small shares show beside large ones.
function drawHead(canvas, image, row, grid) {
  const [rows, columns] = grid;
  if (canvas.width !== HEAD_SIDE) [canvas.width, canvas.height] = [HEAD_SIDE, HEAD_SIDE];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = image.width > 100;
  context.drawImage(image, 0, 0, HEAD_SIDE, HEAD_SIDE);
  const largest = row.reduce((most, value) => Math.max(most, value), 0);
  if (shade.width !== columns || shade.height !== rows) [shade.width, shade.height] = [columns, rows];
  const veil = shade.getContext("2d");
  const pixels = veil.createImageData(columns, rows);
  for (let i = 0; i < row.length; i++) {
    const level = largest ? Math.round(255 * Math.sqrt(row[i] / largest)) : 0;
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = COLOURS[3 * level + c];
    pixels.data[4 * i + 3] = 235 - 0.62 * level;
  }
  veil.putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(shade, 0, 0, HEAD_SIDE, HEAD_SIDE);
}

// The picture, bright inside the mask and dimmed outside, with the mask's outline and the query.
function drawPicture(canvas, image, mask, grid, query, dimmed) {
  const side = Math.max(240, Math.round(canvas.clientWidth * Math.min(2, devicePixelRatio)));
  if (canvas.width !== side) [canvas.width, canvas.height] = [side, side];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = image.width > 100;
  context.drawImage(image, 0, 0, side, side);
  if (!mask) return;
  const [rows, columns] = grid;
  const x = (column) => Math.round((column * side) / columns);
  const y = (row) => Math.round((row * side) / rows);
  context.fillStyle = "rgba(0, 0, 0, 0.5)";
  context.strokeStyle = OUTLINE;
  context.lineWidth = side / 130;
  context.beginPath();
  for (let i = 0; i < mask.length; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    if (!mask[i]) {
      if (dimmed) context.fillRect(x(column), y(row), x(column + 1) - x(column), y(row + 1) - y(row));
      continue;
    }
    const edges = [
      [row > 0 && mask[i - columns], column, row, column + 1, row],
      [row < rows - 1 && mask[i + columns], column, row + 1, column + 1, row + 1],
      [column > 0 && mask[i - 1], column, row, column, row + 1],
      [column < columns - 1 && mask[i + 1], column + 1, row, column + 1, row + 1],
    ];
    for (const [joined, x0, y0, x1, y1] of edges) {
      if (joined) continue;
      context.moveTo(x(x0), y(y0));
      context.lineTo(x(x1), y(y1));
    }
  }
  context.stroke();
  if (query === null) return;
  const [row, column] = [Math.floor(query / columns), query % columns];
  context.lineWidth = side / 90;
  for (const [colour, inset] of [["#000", 0], ["#fff", side / 90]]) {
    context.strokeStyle = colour;
    context.strokeRect(x(column) + inset, y(row) + inset, side / columns - 2 * inset, side / rows - 2 * inset);
  }
}

// Lines over the blocks, with the chosen block marked. series: { name, colour, dash, values }.
function drawLines(parent, series, block, title) {
  const [width, height, left, bottom] = [400, 150, 34, 26];
  parent.replaceChildren();
  parent.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const values = series.flatMap((one) => one.values).filter((value) => value !== null);
  if (!values.length) return;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const count = series[0].values.length;
  const x = (i) => left + 8 + (i * (width - left - 16)) / Math.max(1, count - 1);
  const y = (value) => 18 + ((high - value) * (height - bottom - 24)) / Math.max(1e-9, high - low);
  svg(parent, "title", {}, title);
  svg(parent, "rect", { class: "now", x: x(block) - 8, y: 12, width: 16, height: height - bottom - 8 });
  svg(parent, "line", { class: "axis", x1: left, x2: width, y1: height - bottom + 4, y2: height - bottom + 4 });
  for (const value of [low, high]) svg(parent, "text", { x: left - 4, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(1));
  for (const i of [0, count - 1]) svg(parent, "text", { x: x(i), y: height - bottom + 16, "text-anchor": "middle" }, i);
  svg(parent, "text", { x: (left + width) / 2, y: height - bottom + 16, "text-anchor": "middle" }, "block");
  let place = left;
  for (const { name, colour, dash, values: line } of series) {
    const points = line.map((value, i) => (value === null ? null : `${x(i)},${y(value)}`)).filter(Boolean);
    svg(parent, "polyline", { points: points.join(" "), fill: "none", stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash });
    svg(parent, "line", { x1: place, x2: place + 20, y1: 5, y2: 5, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash });
    svg(parent, "text", { x: place + 24, y: 9 }, name);
    place += 40 + 6.2 * name.length;
  }
}

function percent(value) {
  return `${(100 * value).toFixed(value > 0 && value < 0.01 ? 1 : 0)} %`;
}
