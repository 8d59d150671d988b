// Dragging over a chart leads to the traces behind it. Without this script each bucket is a link.
"use strict";

(() => {
  const NEAR_PX = 5;

  function addressOf(chart, from, to) {
    const start = Number(chart.dataset.start);
    const width = Number(chart.dataset.width);
    const said = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19);
    const address = new URL(chart.dataset.brush, location.href);
    address.searchParams.set("from", said(start + from * width));
    address.searchParams.set("to", said(start + (to + 1) * width));
    return address.pathname + address.search;
  }

  for (const chart of document.querySelectorAll("svg.plot-time")) {
    const count = Number(chart.dataset.count);
    const links = [...chart.querySelectorAll("a[data-bucket]")];
    const brush = document.createElementNS(chart.namespaceURI, "rect");
    brush.setAttribute("class", "brush");
    brush.setAttribute("y", "0");
    brush.setAttribute("height", chart.dataset.height);
    let begun = null;
    let wasDragged = false;

    const bucketAt = (event) => {
      const box = chart.getBoundingClientRect();
      return Math.max(0, Math.min(count - 1, Math.floor((event.clientX - box.left) / box.width * count)));
    };
    const show = (from, to) => {
      const [low, high] = from < to ? [from, to] : [to, from];
      brush.setAttribute("x", `${low / count * 100}%`);
      brush.setAttribute("width", `${(high - low + 1) / count * 100}%`);
      if (!brush.isConnected) chart.append(brush);
    };
    const open = (from, to) => location.assign(addressOf(chart, Math.min(from, to), Math.max(from, to)));

    // Neither the link nor the text under the pointer is what is dragged.
    chart.addEventListener("mousedown", (event) => event.preventDefault());
    chart.addEventListener("dragstart", (event) => event.preventDefault());
    chart.addEventListener("pointerdown", (event) => {
      if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
      begun = { bucket: bucketAt(event), x: event.clientX };
      wasDragged = false;
    });
    chart.addEventListener("pointermove", (event) => {
      if (!begun || (!wasDragged && Math.abs(event.clientX - begun.x) < NEAR_PX)) return;
      if (!wasDragged) chart.setPointerCapture(event.pointerId);
      wasDragged = true;
      show(begun.bucket, bucketAt(event));
    });
    chart.addEventListener("pointerup", (event) => {
      if (begun && wasDragged) open(begun.bucket, bucketAt(event));
      begun = null;
    });
    chart.addEventListener("pointercancel", () => { begun = null; brush.remove(); });
    chart.addEventListener("click", (event) => {
      // The end of a drag is no click on the link it ended on.
      if (wasDragged) { event.preventDefault(); event.stopPropagation(); }
    }, true);

    // One stop for the tab key; arrows go from bucket to bucket, with Shift over several.
    let anchor = null;
    links.forEach((link, at) => { link.setAttribute("tabindex", at === links.length - 1 ? "0" : "-1"); });
    const focusOn = (link) => {
      for (const one of links) one.setAttribute("tabindex", one === link ? "0" : "-1");
      link.focus();
    };
    chart.addEventListener("keydown", (event) => {
      const at = links.indexOf(document.activeElement);
      if (at < 0) return;
      const here = Number(links[at].dataset.bucket);
      const by = { ArrowLeft: -1, ArrowRight: 1, Home: -at, End: links.length - 1 - at }[event.key];
      if (by !== undefined) {
        event.preventDefault();
        const next = links[at + by];
        if (!next) return;
        anchor = event.shiftKey ? anchor ?? here : null;
        focusOn(next);
        if (anchor === null) brush.remove(); else show(anchor, Number(next.dataset.bucket));
      } else if (event.key === "Enter" && anchor !== null) {
        event.preventDefault();
        open(anchor, here);
      } else if (event.key === "Escape") {
        anchor = null;
        brush.remove();
      }
    });
  }
})();
