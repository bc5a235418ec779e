"""Whether what a page says can be read: the contrast of each text with what lies below it, in the browser itself."""

from __future__ import annotations

from typing import Final

FAINT: Final = """
(() => {
  // Any notation of a colour (rgb, oklch, color-mix) becomes four bytes by being painted.
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const bytes = colour => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, place) => value * a / 255 + below[place] * (1 - a / 255));
  const light = rgb => rgb.map(value => value / 255)
    .map(value => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4)
    .reduce((sum, value, place) => sum + value * [.2126, .7152, .0722][place], 0);
  const above = element => element.parentElement || element.getRootNode().host;
  const ground = element => {
    if (!element) return bytes(getComputedStyle(document.documentElement).colorScheme === "dark" ? "#000" : "#fff");
    return over(bytes(getComputedStyle(element).backgroundColor), ground(above(element)));
  };
  const opacity = element => element ? Number(getComputedStyle(element).opacity) * opacity(above(element)) : 1;
  const contrast = element => {
    const below = ground(element), [r, g, b, a] = bytes(getComputedStyle(element).color);
    const [high, low] = [light(over([r, g, b, a * opacity(element)], below)), light(below)].sort((p, q) => q - p);
    return (high + .05) / (low + .05);
  };
  const all = root => [...root.querySelectorAll("*")]
    .flatMap(each => [each, ...(each.shadowRoot ? all(each.shadowRoot) : [])]);
  return all(document).filter(each => each.checkVisibility() && !each.closest("svg, noscript, option")
      && [...each.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.textContent.trim()))
    .map(each => [each.tagName.toLowerCase(), each.className, each.textContent.trim().slice(0, 40), contrast(each)])
    .filter(found => found[3] < 4.5);
})()
"""
"""
Elements with text of their own whose contrast is below 4.5, by WCAG 2.2 ("contrast ratio", 1.4.3): tag, class, text,
ratio. Grounds and opacities of all that an element lies in count.
"""
