// The playground: one object per mounted component. It keeps the view (which picture, bits, ...),
// draws everything that depends on it in one animation frame, and asks Python only for pictures.

class Playground {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.view = null;
    this.hover = null;
    this.dirty = new Set();
    this.timers = new Set();
    this.stops = [];
    this.playing = null;
    this.breaking = null;
    this.wire();
  }

  // New data from Python. The same bytes come again with every rerun of the page.
  async update(bytes, send) {
    this.send = send;
    const mark = `${bytes.length}:${checksum(bytes)}`;
    if (mark === this.mark) return;
    this.mark = mark;
    const message = unpack(bytes);
    this.message = message;
    this.world = message.worlds[message.picture.world];
    const { arrays, picture } = message;
    const { blocks, heads, grid, prefix } = this.world;
    const patches = grid[0] * grid[1];
    this.shape = { blocks, heads, patches, prefix, tokens: patches + prefix };
    this.view = { ...message.view, picture: picture.name };
    this.order = arrays.alpha ? ranked(arrays.alpha.data) : null;
    this.full = null;
    this.similarities = [];
    const [image, full] = await Promise.all([
      bitmap(arrays.image.data),
      arrays.full ? inflate(arrays.full.data) : null,
    ]);
    if (mark !== this.mark) return;
    this.image = image;
    this.full = full;
    this.local = null;
    this.rows = new Map();
    this.layout();
    this.draw("all");
    this.measureEntropies();
    this.remember();
    await this.drawStrips(mark);
  }

  get query() {
    return this.hover ?? this.view.patch;
  }

  rowsAt(query) {
    if (query !== null && !this.full) query = null;
    if (!this.rows.has(query)) {
      if (this.rows.size > 60) this.rows.clear();
      const levels = query === null ? this.message.arrays.cls.data : this.full;
      this.rows.set(query, rowsOf(levels, this.shape, query));
    }
    return this.rows.get(query);
  }

  // The answers and attention of Q at the chosen bits; null if they are not there.
  get q() {
    return this.qFrom(this.view.source);
  }

  qFrom(source) {
    const { arrays, picture } = this.message;
    const { bits } = this.view;
    if (!arrays.q_classes) return null;
    if (picture.q && (picture.q.source !== source || picture.q.bits !== bits)) return null;
    const [sources, formats, count] = arrays.q_classes.shape;
    const place = picture.q ? 0 : SOURCES.findIndex((one) => one.name === source) * formats + this.world.bits.indexOf(bits);
    const { blocks, heads, patches } = this.shape;
    const size = blocks * heads * patches;
    return {
      classes: arrays.q_classes.data.subarray(place * count, (place + 1) * count),
      probabilities: arrays.q_probabilities.data.subarray(place * count, (place + 1) * count),
      cls: arrays.q_cls.data.subarray(place * size, (place + 1) * size),
    };
  }

  draw(...parts) {
    for (const part of parts) this.dirty.add(part);
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      const all = this.dirty.has("all");
      const wanted = (part) => all || this.dirty.has(part);
      const start = performance.now();
      const mask = this.order ? maskOf(this.order, this.view.ratio / 100) : null;
      if (wanted("picture")) this.drawPicture(mask);
      if (wanted("heads")) this.drawHeads(mask);
      if (wanted("inside")) this.drawInside(mask);
      if (wanted("entropy")) this.drawEntropy(mask);
      if (wanted("answers")) this.drawAnswers();
      if (wanted("controls")) this.drawControls();
      this.dirty.clear();
      this.root.dataset.work = (performance.now() - start).toFixed(2); // read by benchmarks/playground.py
      this.root.dataset.drawn = Number(this.root.dataset.drawn ?? 0) + 1;
    });
  }

  drawPicture(mask) {
    drawPicture(this.find(".picture"), this.local ?? this.image, this.local ? null : mask, this.world.grid, this.query, this.view.ratio < 100);
    const text = `Attention from ${patchName(this.full ? this.query : null, this.world.grid)}`;
    this.find(".at-text").textContent = text;
    this.find(".cls").disabled = this.query === null;
    this.find(".picture").setAttribute("aria-label", `${this.message.picture.title}, ${this.world.grid[0]} by ${this.world.grid[1]} patches. ${text}.`);
  }

  drawHeads(mask) {
    const rows = this.rowsAt(this.query)[this.view.block];
    this.find(".heads").querySelectorAll("figure").forEach((figure, head) => {
      const [canvas, label] = figure.children;
      const share = percent(mask ? shareInside(rows[head], mask) : 0);
      drawHead(canvas, this.local ?? this.image, rows[head], this.world.grid);
      label.textContent = `Head ${head}: ${share}`;
      canvas.setAttribute("aria-label", `Head ${head}: ${share} of its attention inside the mask.`);
    });
  }

  drawInside(mask) {
    if (!mask) return;
    const mean = (rows) => rows.flat().reduce((sum, row) => sum + shareInside(row, mask), 0) / rows.flat().length;
    const q = this.q;
    const inQ = q ? `; in the quantized model ${percent(mean(rowsOf(q.cls, this.shape, null)))}` : "";
    const count = patchCount(mask.length, this.view.ratio / 100);
    this.find(".inside").textContent = `Below each head: how much of its attention is inside the mask. The mask holds ${count} of ${mask.length} patches and ${percent(mean(this.rowsAt(null)))} of the attention of CLS${inQ} (mean over blocks and heads).`;
  }

  drawEntropy(mask) {
    const chart = this.find(".entropy");
    if (!mask || !this.full) return chart.replaceChildren();
    const { blocks, patches } = this.shape;
    const chosen = this.order.slice(0, patchCount(patches, this.view.ratio / 100));
    const [whole, inside] = [[], []];
    for (let block = 0; block < blocks; block++) {
      const similarity = this.similarities[block];
      whole.push(similarity ? similarity.entropy : null);
      inside.push(similarity ? entropyOf(similarity.values, patches, chosen) : null);
    }
    const last = inside.at(-1);
    const title = `Entropy of the similarity between patches, in nats, by block. Inside the mask ${last === null ? "unknown" : last.toFixed(2)} in the last block.`;
    const series = [
      { name: "similarity entropy, all patches", colour: "var(--p)", dash: "", values: whole },
      { name: "inside the mask", colour: "var(--mask)", dash: "5 3", values: inside },
    ];
    drawLines(chart, series, this.view.block, title);
    chart.setAttribute("aria-label", title);
  }

  // In pieces, so that pointers are answered meanwhile.
  measureEntropies(block = 0) {
    if (!this.full || block >= this.shape.blocks) return;
    const full = this.full;
    this.later(() => {
      if (full !== this.full) return;
      const values = similarityOf(full, this.shape, block);
      const entropy = entropyOf(values, this.shape.patches, Array.from(this.order.keys()));
      this.similarities[block] = { values, entropy };
      if (block % 3 === 2 || block === this.shape.blocks - 1) this.draw("entropy");
      this.measureEntropies(block + 1);
    }, 0);
  }

  drawAnswers() {
    const { arrays, picture, classes } = this.message;
    const { world, view, q } = this;
    const fill = (list, found) => {
      list.replaceChildren();
      for (let i = 0; found && i < found.classes.length; i++) {
        const item = document.createElement("li");
        const [bar, name, share] = ["i", "span", "span"].map((tag) => item.appendChild(document.createElement(tag)));
        const chance = found.probabilities[i];
        bar.style.transform = `scaleX(${chance})`;
        name.textContent = classes[found.classes[i]];
        share.textContent = percent(chance);
        if (picture.right.includes(found.classes[i])) {
          item.className = "right-class";
          name.textContent = `✓ ${name.textContent}`;
        }
        list.append(item);
      }
    };
    const p = { classes: arrays.classes?.data ?? [], probabilities: arrays.probabilities?.data ?? [] };
    fill(this.find(".answers-p"), this.local ? null : p);
    fill(this.find(".answers-q"), this.local ? null : q);
    if (!q && !this.local) this.find(".answers-q").append(Object.assign(document.createElement("li"), { textContent: picture.waiting ?? "not computed" }));
    const { text, wrong } = agreement(classes, picture.right, p.classes[0], q?.classes[0]);
    const mark = this.find(".mark");
    mark.textContent = this.local ? "" : text;
    mark.classList.toggle("wrong", wrong);
    const answers = SOURCES.map((source) => [source, this.qFrom(source.name)?.classes[0]]);
    this.find(".firsts").textContent = this.local ? "" : firstAnswers(classes, picture.right, answers);
    this.find(".bits-out").textContent = view.bits;
    this.find(".verdict").textContent = verdict(world, view.bits, view.source);
    this.find(".size").textContent = `${accuracies(world, view.bits, view.source)} ${sizes(world, view.bits)}`;
    const sources = SOURCES.map(({ name, short, colour }) => ({ name, label: short, colour, q: world.q[name] }));
    const scores = { metric: "Accuracy", bits: world.bits, p: world.p, n: world.n, sources, range: [0, 1], size: [400, 150] };
    drawScores(this.find(".accuracy"), scores, view, (bits) => this.set({ bits }));
  }

  later(action, milliseconds) {
    const timer = setTimeout(() => { this.timers.delete(timer); action(); }, milliseconds);
    this.timers.add(timer);
    return timer;
  }

  close() {
    for (const timer of this.timers) clearTimeout(timer);
    clearTimeout(this.writing);
    cancelAnimationFrame(this.frame);
    for (const stop of this.stops) stop();
  }
}
