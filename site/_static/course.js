// What every page does: boxes that scroll, folds, languages, the gallery's choice, a server that ends, print, search.
(() => {
  function reachable() {
    for (const box of document.querySelectorAll("article pre, article div.math, article .table-wrapper")) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  }
  reachable();
  addEventListener("load", reachable);
  addEventListener("resize", reachable);
  for (const fold of document.querySelectorAll("details")) fold.addEventListener("toggle", reachable);

  function unfold() {  // a link to an answer opens it, in browsers that do not do so themselves
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const fold = target && target.closest("details");
    if (fold && !fold.open) {
      fold.open = true;
      target.scrollIntoView();
    }
  }
  unfold();
  addEventListener("hashchange", unfold);

  // In another language, a page opens where the reader is: the cells have the same names there.
  function here() {
    const passed = [...document.querySelectorAll(".cfgedu-anchor[id]")].filter((anchor) => {
      return anchor.getBoundingClientRect().top < innerHeight / 3;
    });
    return passed.length && scrollY > 0 ? `#${passed.at(-1).id}` : "";
  }
  for (const link of document.querySelectorAll(".cfgedu-languages a")) {
    link.addEventListener("click", () => { link.href = link.href.split("#")[0] + here(); });
  }

  // gallery.html?demos=06,11 shows these demos alone, for a talk.
  const wanted = new URLSearchParams(location.search).get("demos");
  if (wanted && document.querySelector(".cfgedu-gallery")) {
    const names = wanted.split(",").map((number) => `demo-${number}`);
    const asked = (id) => names.some((name) => id === name || id.startsWith(`${name}-`));
    const hide = (element, id) => { element.hidden = !asked(id); };
    document.querySelectorAll("a.cfgedu-thumb").forEach((thumb) => hide(thumb, thumb.hash.slice(1)));
    document.querySelectorAll('.cfgedu-anchor[id^="demo-"]').forEach((anchor) => {
      hide(anchor.closest("section"), anchor.id);
    });
    const left = document.querySelectorAll("a.cfgedu-thumb:not([hidden])").length;
    document.querySelector(".cfgedu-gallery").hidden = left === 1;
  }

  // A server on this machine may end before the page does: what is loaded stays alive, what is not cannot come.
  const notice = document.querySelector(".cfgedu-gone");
  if (notice && ["127.0.0.1", "localhost"].includes(location.hostname)) {
    const tell = (gone) => { notice.hidden = !gone; };
    const look = () => fetch(location.pathname, { method: "HEAD", cache: "no-store" });
    setInterval(() => look().then(() => tell(false), () => tell(true)), 5000);
  }

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const fold of closed) fold.open = true;
  });
  addEventListener("afterprint", () => closed.forEach((fold) => { fold.open = false; }));

  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  }
})();
