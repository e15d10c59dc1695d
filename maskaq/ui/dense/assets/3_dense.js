// One object per mounted component. It keeps what is chosen; Python is never asked again.

const SOURCE_NAMES = { noise: "noise", maskaq: "made by P (MaskAQ)", real: "real" };

class Dense {
  constructor(root) {
    this.root = root;
    this.chosen = { picture: 0, bits: 3, source: "maskaq" };
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  close() {}

  async update(bytes) {
    this.root.classList.toggle("dark", isDark(this.root));
    if (this.bytes === bytes.byteLength && this.about) return this.draw();
    const message = unpack(bytes);
    const { arrays } = message;
    const q = await inflate(arrays.q.data);
    this.about = message;
    this.bytes = bytes.byteLength;
    this.dense = message.task === "segmentation";
    this.side = arrays.images.shape[2];
    this.count = arrays.images.shape[0];
    this.images = arrays.images.data;
    this.truth = arrays.truth;
    this.p = arrays.p;
    this.q = { shape: arrays.p.shape, data: this.dense ? q : new Float32Array(q.buffer) };
    this.build();
    this.draw();
  }

  build() {
    this.find("h1").textContent = this.dense ? "What is each pixel part of?" : "Which objects are where?";
    const amount = this.find(".amount");
    amount.value = this.dense ? 55 : 50;
    const bits = this.find(".bits");
    bits.max = this.about.bits.length - 1;
    bits.value = this.chosen.bits;
    bits.oninput = () => this.choose({ bits: Number(bits.value) });
    amount.oninput = () => this.draw();
    this.find(".choices").replaceChildren(...this.about.sources.map((source) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = SOURCE_NAMES[source];
      button.dataset.source = source;
      button.onclick = () => this.choose({ source });
      return button;
    }));
    this.find(".strip").replaceChildren(...this.about.titles.map((title, picture) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = title;
      button.setAttribute("aria-label", title);
      const canvas = document.createElement("canvas");
      button.append(canvas);
      drawPixels(canvas, this.imageOf(picture), this.side);
      button.onclick = () => this.choose({ picture });
      return button;
    }));
  }

  choose(change) {
    Object.assign(this.chosen, change);
    this.draw();
  }

  imageOf(picture) {
    const size = 3 * this.side * this.side;
    return this.images.subarray(picture * size, (picture + 1) * size);
  }

  // The answer of one picture: a class map, or a list of boxes. first: place among pictures of all Q.
  answer({ shape, data }, picture, first = 0) {
    const size = shape.slice(1).reduce((a, b) => a * b, 1);
    const from = (first * this.count + picture) * size;
    const part = data.subarray(from, from + size);
    if (this.dense) return part;
    return Array.from({ length: shape[1] }, (_, i) => Array.from(part.subarray(6 * i, 6 * i + 6)));
  }

  draw() {
    const { picture, bits, source } = this.chosen;
    const { about } = this;
    const first = about.sources.indexOf(source) * about.bits.length + bits;
    const answers = { truth: this.answer(this.truth, picture), p: this.answer(this.p, picture), q: this.answer(this.q, picture, first) };
    const amount = Number(this.find(".amount").value) / 100;
    for (const [who, answer] of Object.entries(answers)) {
      const canvas = this.find(`.${who}`);
      const context = drawPixels(canvas, this.imageOf(picture), this.side);
      const seen = this.dense
        ? drawRegions(context, answer, this.side, about.classes, about.palette, amount)
        : drawBoxes(context, answer, about.classes, about.palette, amount);
      canvas.setAttribute("aria-label", `${about.titles[picture]}: ${seen.join(", ") || "nothing"}`);
    }
    for (const output of this.root.querySelectorAll(".bits-out")) output.textContent = about.bits[bits];
    this.find(".bits").value = bits;
    this.find(".bits").setAttribute("aria-valuetext", about.bits[bits]);
    this.find(".amount-name").textContent = this.dense ? `Opacity ${percent(amount, 0)}` : `At least ${percent(amount, 0)} sure`;
    for (const button of this.find(".choices").children) button.setAttribute("aria-pressed", button.dataset.source === source);
    [...this.find(".strip").children].forEach((button, i) => button.setAttribute("aria-pressed", i === picture));
    drawScores(this.find(".scores"), scoresOf(about), { bits: about.bits[bits], source }, (format) => this.choose({ bits: about.bits.indexOf(format) }));
    this.say(answers, amount);
    this.root.dataset.drawn = Number(this.root.dataset.drawn || 0) + 1;
  }

  say({ p, q }, amount) {
    const { about } = this;
    const format = about.bits[this.chosen.bits];
    const [value, low, high] = about.q[this.chosen.source][format];
    const strong = document.createElement("strong");
    if (this.dense) strong.textContent = `At ${format}, Q gives ${percent(sameShare(p, q), 0)} of these pixels the class that P gives them. `;
    else {
      const [found, all] = sameObjects(p, q, amount);
      strong.textContent = `At ${format}, Q finds ${found} of the ${all} object${all === 1 ? "" : "s"} that P finds here. `;
    }
    const rest = `On ${about.n.toLocaleString("en")} scenes it has ${percent(value)} ${about.metric} (95 % interval ${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}); full precision has ${percent(about.p[0])}.`;
    this.find(".verdict").replaceChildren(strong, rest);
    const times = (about.bytes.P / about.bytes[format]).toFixed(1);
    this.find(".size").textContent = `Weights: ${(about.bytes.P / 1e6).toFixed(1)} MB in full precision, ${(about.bytes[format] / 1e6).toFixed(2)} MB packed at ${format} (${times} times smaller, computed). The arithmetic is simulated.`;
  }
}
