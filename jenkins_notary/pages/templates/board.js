/* Show what runs as the server shows it now: ask for the page again when it changes.
   What comes is a document that the browser has parsed, never a text that this makes
   markup of; what differs is put in place, so that nobody loses his place. */
"use strict";
(() => {
  const AGAIN_MS = 5000, LATE_MS = 20000;
  const live = document.getElementById("live");
  const scriptOf = (page) => page.querySelector("script[src]")?.getAttribute("src");
  let isAsked = false, isBusy = false;

  const say = (text) => { if (live.textContent !== text) live.textContent = text; };

  const load = () => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = LATE_MS;
    request.onload = () => request.status === 200 && request.responseXML
      ? resolve(request.responseXML) : reject(new Error(`status ${request.status}`));
    request.onerror = request.ontimeout = () => reject(new Error("no answer"));
    request.send();
  });

  const mark = (row) => {
    const colour = getComputedStyle(document.documentElement).getPropertyValue("--mark");
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches)
      row.animate([{ backgroundColor: colour }, {}], 3000);
  };

  const fill = (before, after) => {
    const had = new Map(Array.from(before.children, (one) => [one.id, one]));
    const changed = [];
    const rows = Array.from(after.childNodes, (one) => {
      const old = one.id ? had.get(one.id) : undefined;
      if (old?.isEqualNode(one)) return old;
      const fresh = document.importNode(one, true);
      if (old) changed.push(fresh);
      return fresh;
    });
    before.replaceChildren(...rows);
    changed.forEach(mark);
  };

  const exchange = (page) => {
    if (scriptOf(page) !== scriptOf(document)) { location.reload(); return; }
    document.title = page.title;
    const focused = document.activeElement;
    const inside = focused.closest("[data-live] [id], [data-live]");
    for (const before of document.querySelectorAll("[data-live]")) {
      const after = page.getElementById(before.id);
      if (after && !before.isEqualNode(after)) fill(before, after);
    }
    if (inside && !focused.isConnected) {
      const path = focused.getAttribute("href");
      const links = document.getElementById(inside.id)?.querySelectorAll("a[href]") ?? [];
      Array.from(links).find((one) => one.getAttribute("href") === path)?.focus();
    } else if (inside) focused.focus({ preventScroll: true });
  };

  const refresh = async () => {
    isAsked = true;
    if (isBusy) return;
    isBusy = true;
    try {
      while (isAsked) { isAsked = false; exchange(await load()); }
      say("Live");
    } catch {
      say("No connection: not live");
      setTimeout(refresh, AGAIN_MS);
    } finally { isBusy = false; }
  };

  const listen = () => {
    const source = new EventSource("/status/events");
    source.onmessage = refresh;
    source.onerror = () => {
      say("No connection: not live");
      // A server that refused ends the source for good; else it asks again by itself.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
    };
  };
  listen();
})();
