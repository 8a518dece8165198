// Texts whose contrast to what is painted behind them is below 4.5, as [text, ratio, colour, background].
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = "#000";
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, below) => {
    const share = top[3] / 255;
    return [0, 1, 2].map((n) => top[n] * share + below[n] * (1 - share)).concat(255);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const painted = (element) => {
    const style = getComputedStyle(element);
    if (!(element instanceof SVGElement)) return style.backgroundColor;
    return ["rect", "circle"].includes(element.localName) ? style.fill : "rgba(0, 0, 0, 0)";
  };
  const behind = (element, x, y) => {
    const stack = document.elementsFromPoint(x, y);
    const from = stack.findIndex((each) => each === element || each.contains(element) || element.contains(each));
    let found = [0, 0, 0, 0];
    for (const each of stack.slice(Math.max(from, 0))) {
      if (each === element && element instanceof SVGElement) continue;
      const colour = rgba(painted(each));
      found = found[3] === 0 ? colour : over(found, colour);
      if (colour[3] === 255) return found;
    }
    return over(found, rgba("Canvas"));
  };
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  const bad = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || ["SCRIPT", "STYLE", "title"].includes(element.localName) || element.closest("script, style, title, .skip, .places thead")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    range.startContainer.parentElement.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const box = range.getClientRects()[0];
    if (!box || box.width < 2) continue;
    const style = getComputedStyle(element);
    const back = behind(element, box.left + Math.min(box.width / 2, 8), box.top + box.height / 2);
    const ink = over(rgba(element instanceof SVGElement ? style.fill : style.color), back);
    const found = ratio(ink, back);
    seen += 1;
    if (found < 4.5) bad.push([node.data.trim().slice(0, 40), Math.round(found * 100) / 100, ink.join(), back.join()]);
  }
  return { seen, bad };
}
