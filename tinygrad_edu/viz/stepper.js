/* A figure that is stepped through. Python calls this function with
   {key, first, steps: [[phase, ring, wires, text, rule], ...], reveal: [[id, step], ...]}.
   Data reaches the page through textContent and attributes alone, never as markup. */
(function (figure) {
  "use strict";

  const SECONDS_PER_STEP = 1.6;
  const PHASES = { start: "start", forward: "forward pass", backward: "backward pass" };
  const ICONS = {
    previous: "M3 3h2v10H3zM13 3v10L6 8z",
    play: "M4 2.5v11L13 8z",
    pause: "M4 3h3v10H4zM9 3h3v10H9z",
    next: "M11 3h2v10h-2zM3 3v10l7-5z",
  };
  // Text and ground are always set together: a dark page that declares no color-scheme gets a
  // light panel, which can be read, rather than dark text on the page's own dark ground.
  const STYLE = `
    :host { display: block; }
    .stepper { display: inline-block; box-sizing: border-box;
      min-width: min(100%, 34em); max-width: 100%;
      font: 14px/1.5 var(--jp-ui-font-family, system-ui, sans-serif);
      color: var(--jp-ui-font-color1, var(--vscode-editor-foreground, CanvasText));
      background: var(--jp-layout-color1, var(--vscode-editor-background, Canvas));
      border: 1px solid #8c959f; border-radius: 6px; overflow: hidden; }
    .stepper:focus-visible, button:focus-visible, input:focus-visible {
      outline: 3px solid #bf8700; outline-offset: 1px; }
    svg.figure { display: block; max-width: 100%; height: auto; margin: 0 auto; }
    .later { opacity: 0; visibility: hidden; }
    .appears { transition: opacity .25s; }
    .ring { stroke: #bf8700; stroke-width: 3px; }
    .flow { stroke: #bf8700; }
    .tip { stroke: #bf8700; fill: #bf8700; }
    .bar { display: flex; align-items: center; gap: 6px; padding: 8px 12px 4px;
      border-top: 1px solid #8c959f; }
    button { display: inline-flex; padding: 6px; border: 1px solid #8c959f; border-radius: 6px;
      color: inherit; background: none; cursor: pointer; }
    button:hover { border-color: #bf8700; }
    button[aria-disabled=true] { opacity: .4; cursor: default; }
    button svg { width: 16px; height: 16px; fill: currentColor; }
    input { flex: 1; min-width: 4em; margin: 0 6px; accent-color: #bf8700; }
    .count { white-space: nowrap; font-variant-numeric: tabular-nums; }
    /* no width of its own: a long line must not make the figure wider at some steps */
    .status { box-sizing: border-box; width: 0; min-width: 100%; min-height: 7.5em;
      max-height: 13em; padding: 0 12px 8px; overflow: auto; overflow-wrap: anywhere;
      font-variant-numeric: tabular-nums; }
    .phase { font-size: 12px; font-weight: 600; }
    .text { font-size: 15px; min-height: 1.5em; }
    .rule { opacity: .8; }
    @media (max-width: 36em) { .status { min-height: 10em; } }
    @media (prefers-reduced-motion: reduce) { .appears { transition: none; } }
    @media print { .bar { display: none; } }`;

  // JupyterLab makes the script element anew, so a script can't ask where it stands. Figures with
  // one key have the same content: whichever copy of the script comes first serves them all.
  for (const host of document.querySelectorAll(`[data-tinygrad-edu-stepper="${figure.key}"]`)) {
    const drawing = host.shadowRoot ? null : parse(host.querySelector("img"));
    if (drawing) enhance(host, drawing);
  }

  /* The drawing inside an image's data URI; null, and the image stays, if it isn't an SVG. */
  function parse(image) {
    const encoded = image ? image.getAttribute("src").split(",")[1] : "";
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const text = new TextDecoder().decode(bytes);
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
    if (parsed.querySelector("parsererror")) return null;
    const drawing = document.importNode(parsed.documentElement, true);
    drawing.classList.add("figure");
    drawing.setAttribute("role", "img");
    drawing.setAttribute("aria-label", image.alt);
    return drawing;
  }

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /* Drawn, because the characters for these come out as coloured emoji, or not at all. */
  function setIcon(button, name, title) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const path = document.createElementNS(space, "path");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", ICONS[name]);
    svg.append(path);
    button.replaceChildren(svg);
    button.title = title;
    button.setAttribute("aria-label", title);
  }

  function enhance(host, drawing) {
    const last = figure.steps.length - 1;
    let current = figure.first;
    let timer = null;

    const previous = element("button", { type: "button", class: "previous" });
    const play = element("button", { type: "button", class: "play" });
    const next = element("button", { type: "button", class: "next" });
    const slider = element("input", { type: "range", min: 0, max: last, "aria-label": "step" });
    const count = element("span", { class: "count" });
    const phase = element("div", { class: "phase" });
    const text = element("div", { class: "text" });
    const rule = element("div", { class: "rule" });
    const bar = element("div", { class: "bar" }, previous, play, next, slider, count);
    const status = element("div", { class: "status", role: "status", "aria-live": "polite",
      "aria-atomic": "true" }, phase, text, rule);
    const stepper = element("div", { class: "stepper", role: "group", tabindex: "0",
      "aria-label": "computation graph, step by step" }, drawing, bar, status);
    setIcon(previous, "previous", "previous step");
    setIcon(play, "play", "play");
    setIcon(next, "next", "next step");

    // The image stays in the page, unseen, for a saved copy of the page to start from.
    const root = host.attachShadow({ mode: "open" });
    const style = element("style", {});
    style.textContent = STYLE;
    root.append(style, stepper);
    const appearing = figure.reveal.map(([id, step]) => [root.getElementById(id), step]);
    for (const [part] of appearing) part.classList.add("appears");

    function mark(id, isWire) {
      const shapes = root.getElementById(id).querySelectorAll(
        isWire ? "path, polygon" : "circle, ellipse, rect, path, polygon");
      if (!isWire) shapes[0]?.classList.add("ring");
      else shapes.forEach((shape, nth) => shape.classList.add(nth ? "tip" : "flow"));
    }

    /* Classes only: taking them away restores what the drawing's own attributes say. */
    function show(step) {
      current = Math.max(0, Math.min(step, last));
      const [phaseNow, ring, wires, textNow, ruleNow] = figure.steps[current];
      for (const [part, from] of appearing) part.classList.toggle("later", current < from);
      for (const marked of drawing.querySelectorAll(".ring, .flow, .tip"))
        marked.classList.remove("ring", "flow", "tip");
      for (const wire of wires) mark(wire, true);
      if (ring) mark(ring, false);
      phase.textContent = PHASES[phaseNow];
      text.textContent = textNow;
      rule.textContent = ruleNow;
      count.textContent = `step ${current + 1} of ${last + 1}`;
      slider.value = current;
      slider.setAttribute("aria-valuetext", `${count.textContent}, ${PHASES[phaseNow]}`);
      // not "disabled": a button that is would lose the keyboard's focus
      previous.setAttribute("aria-disabled", current === 0);
      next.setAttribute("aria-disabled", current === last);
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      setIcon(play, "play", "play");
    }

    function tick() {
      if (host.isConnected) show(current + 1);
      if (!host.isConnected || current === last) stop();
    }

    function toggle() {
      if (timer !== null) return stop();
      show(current === last ? 0 : current);
      if (current === last) return;
      timer = setInterval(tick, 1000 * SECONDS_PER_STEP);
      setIcon(play, "pause", "pause");
    }

    function goTo(step) {
      stop();
      show(step);
    }

    function onKey(event) {
      if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
      const onButton = event.target.localName === "button"; // where space presses the button
      if (event.key === "ArrowLeft") goTo(current - 1);
      else if (event.key === "ArrowRight") goTo(current + 1);
      else if (event.key === "Home") goTo(0);
      else if (event.key === "End") goTo(last);
      else if (event.key === " " && !onButton) toggle();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    // JupyterLab would take the arrow keys for its own commands.
    host.setAttribute("data-lm-suppress-shortcuts", "true");
    stepper.addEventListener("keydown", onKey);
    previous.addEventListener("click", () => goTo(current - 1));
    next.addEventListener("click", () => goTo(current + 1));
    play.addEventListener("click", toggle);
    slider.addEventListener("input", () => goTo(Number(slider.value)));
    show(current);
  }
})
