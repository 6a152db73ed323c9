"use strict";
// Draws the figures of a page, filters its tables, turns light to dark. Data are texts: never HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const config = { displayModeBar: false, responsive: true };
  const hatched = (text) => /^[<>]/.test(text);

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const axis = {
      gridcolor: color("--grid"), zerolinecolor: color("--muted"), linecolor: color("--line"),
      fixedrange: true,
    };
    return {
      ...layout,
      paper_bgcolor: color("--back"),
      plot_bgcolor: color("--back"),
      font: { color: color("--text"), size: 12, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { align: "left" },
      dragmode: false,
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
    };
  }

  function draw(plot) {
    if (plot.figure) {
      plot.style.height = `${plot.figure.layout.height}px`;
      Plotly.react(plot, plot.figure.data, themed(plot.figure.layout), config);
    }
  }

  function drawAll() {
    document.querySelectorAll(".plot").forEach(draw);
  }

  // A figure is drawn when it comes near the screen.
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".plot[data-figure]").forEach((plot) => {
    plot.figure = data.figures[plot.dataset.figure];
    plot.style.height = `${plot.dataset.height}px`;
    seen.observe(plot);
  });

  function cellOf(value) {
    const cell = document.createElement("td");
    cell.dir = "auto";
    if (Array.isArray(value)) {
      const link = document.createElement("a");
      [link.textContent, link.href] = value;
      cell.append(link);
    } else {
      cell.textContent = value;
    }
    return cell;
  }

  function plain(text) {
    return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  }

  // Up to two lines of 26 letters, as figures.labels does.
  function labelOf(text) {
    const lines = [""];
    for (const word of text.split(/\s+/)) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (longer.length <= 26 || !lines.at(-1)) { lines[lines.length - 1] = longer; }
      else { lines.push(word); }
    }
    if (lines.length > 2) { lines[1] += "…"; }
    const cut = (line) => (line.length > 27 ? `${line.slice(0, 26)}…` : line);
    return lines.slice(0, 2).map(cut).map(plain).join("<br>");
  }

  function barsOf(table, rows) {
    const names = [];
    for (const { cells } of rows) {
      let name = labelOf(cells[0]);
      while (names.includes(name)) { name += "\u200b"; }
      names.push(name);
    }
    const lengths = rows.map((row) => row.length ?? 0);
    const top = Math.max(...lengths, 0) || 1;
    return {
      data: [{
        type: "bar", orientation: "h", x: lengths, y: names, cliponaxis: false,
        text: rows.map(({ cells }) => plain(cells[1])), textposition: "outside",
        marker: {
          color: "#0072B2",
          pattern: {
            shape: rows.map(({ cells }) => (hatched(cells[1]) ? "/" : "")),
            fillmode: "overlay", fgcolor: "white",
          },
        },
        hovertemplate: "%{y}: %{text}<extra></extra>",
      }],
      layout: {
        height: 80 + 34 * Math.max(rows.length, 2), margin: { l: 10, r: 20, t: 10, b: 10 },
        xaxis: {
          automargin: true, range: [0, top * 1.35], nticks: 6,
          tickformat: table.is_rate ? ".0%" : "",
        },
        yaxis: {
          type: "category", automargin: true, autorange: "reversed", ticksuffix: "  ",
          showgrid: false,
        },
      },
    };
  }

  document.querySelectorAll(".filtered").forEach((section) => {
    const table = data.tables[section.dataset.table];
    const selects = [...section.querySelectorAll("select")];
    const body = section.querySelector("tbody");
    const plot = section.querySelector(".plot");
    function show() {
      const chosen = selects.map((one) => Number(one.value));
      const rows = table.rows
        .map((row, place) => ({ row, length: table.lengths[place], cells: row.slice(chosen.length) }))
        .filter(({ row }) => chosen.every((one, place) => one === -1 || one === row[place]));
      body.replaceChildren(...rows.map(({ cells }) => {
        const line = document.createElement("tr");
        line.append(...cells.map(cellOf));
        return line;
      }));
      if (!rows.length) {
        const line = document.createElement("tr");
        const cell = cellOf(data.none);
        cell.colSpan = table.header.length;
        line.append(cell);
        body.append(line);
      }
      if (plot) {
        plot.figure = barsOf(table, rows);
        draw(plot);
      }
    }
    selects.forEach((one) => one.addEventListener("change", show));
    section.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    show();
  });

  const root = document.documentElement;
  function remembered(value) {
    try {
      if (value) { localStorage.setItem("theme", value); }
      return localStorage.getItem("theme");
    } catch { return value; }
  }
  const kept = remembered();
  if (kept === "dark" || kept === "light") { root.dataset.theme = kept; }
  const wantsDark = matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => document.querySelectorAll(".plot.js-plotly-plot").forEach(draw);
  document.getElementById("theme").addEventListener("click", () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : wantsDark.matches;
    root.dataset.theme = isDark ? "light" : "dark";
    remembered(root.dataset.theme);
    redraw();
  });
  wantsDark.addEventListener("change", redraw);
  redraw();

  addEventListener("beforeprint", drawAll);
  document.getElementById("print").addEventListener("click", () => { drawAll(); print(); });

  // What writes PNG and PDF: paper, and all figures or one section alone on it.
  globalThis.district = {
    paper() {
      root.dataset.theme = "light";
      document.body.classList.add("paper");
      drawAll();
    },
    alone(name) {
      document.querySelectorAll(".shown").forEach((one) => one.classList.remove("shown"));
      document.body.classList.toggle("alone", Boolean(name));
      if (name) { document.getElementById(name).classList.add("shown"); }
    },
  };
})();
