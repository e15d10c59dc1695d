// Answers on top of a picture. Names are written on it, so that no colour has to be looked up.

const SIDE = 256;
const VOID = 255;

function colour(palette, number) {
  const shade = 0.65 ** (Math.floor(number / palette.length) % 3);
  const hex = palette[number % palette.length];
  return [1, 3, 5].map((at) => Math.round(parseInt(hex.slice(at, at + 2), 16) * shade));
}

function ink([red, green, blue], alpha = 1) {
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

// pixels: planes of red, green and blue.
function drawPixels(canvas, pixels, side) {
  const small = document.createElement("canvas");
  [small.width, small.height] = [side, side];
  const picture = small.getContext("2d").createImageData(side, side);
  const count = side * side;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = pixels[c * count + i];
    picture.data[4 * i + 3] = 255;
  }
  small.getContext("2d").putImageData(picture, 0, 0);
  if (canvas.width !== SIDE) [canvas.width, canvas.height] = [SIDE, SIDE];
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, SIDE, SIDE);
  return context;
}

// Regions of a class map; the last class stays without colour.
function drawRegions(context, map, side, names, palette, opacity) {
  const cell = SIDE / side;
  const ground = names.length - 1;
  const places = new Map();
  for (let i = 0; i < map.length; i++) {
    if (map[i] === ground || map[i] === VOID) continue;
    const [x, y] = [i % side, Math.floor(i / side)];
    context.fillStyle = ink(colour(palette, map[i]), opacity);
    context.fillRect(x * cell, y * cell, cell, cell);
    if (!places.has(map[i])) places.set(map[i], []);
    places.get(map[i]).push([x, y]);
  }
  context.strokeStyle = "rgba(255, 255, 255, 0.9)";
  context.lineWidth = 1;
  context.beginPath();
  for (let i = 0; i < map.length; i++) {
    const [x, y] = [i % side, Math.floor(i / side)];
    if (x && map[i] !== map[i - 1]) {
      context.moveTo(x * cell, y * cell);
      context.lineTo(x * cell, (y + 1) * cell);
    }
    if (y && map[i] !== map[i - side]) {
      context.moveTo(x * cell, y * cell);
      context.lineTo((x + 1) * cell, y * cell);
    }
  }
  context.stroke();
  const seen = [];
  for (const [number, cells] of places) {
    if (cells.length < 0.02 * map.length) continue;
    const middle = (axis) => cells.map((one) => one[axis]).sort((a, b) => a - b)[cells.length >> 1];
    label(context, middle(0) * cell, middle(1) * cell, names[number], colour(palette, number));
    seen.push(names[number]);
  }
  return seen;
}

// Boxes [M,6]: class or -1, probability, left, top, right, bottom. least: probability.
function drawBoxes(context, boxes, names, palette, least) {
  const seen = [];
  for (const [number, sure, ...sides] of boxes) {
    if (number < 0 || sure < least) continue;
    const [left, top, right, bottom] = sides.map((side) => Math.min(Math.max(side, 0), 1) * (SIDE - 2) + 1);
    const own = colour(palette, number);
    for (const [style, width] of [["#000", 4], [ink(own), 2]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect(left, top, right - left, bottom - top);
    }
    label(context, left, top, sure === 1 ? names[number] : `${names[number]} ${Math.round(100 * sure)} %`, own);
    seen.push(names[number]);
  }
  return seen;
}

function label(context, x, y, text, own) {
  context.font = "14px sans-serif";
  const wide = context.measureText(text).width + 8;
  const [left, top] = [Math.max(0, Math.min(x, SIDE - wide - 1)), Math.max(0, Math.min(y, SIDE - 21))];
  context.fillStyle = "#141414";
  context.fillRect(left, top, wide, 20);
  context.strokeStyle = ink(own);
  context.lineWidth = 2;
  context.strokeRect(left, top, wide, 20);
  context.fillStyle = "#fff";
  context.fillText(text, left + 4, top + 15);
}
