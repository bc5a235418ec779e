// Figures as the tables have them (loadtest/result/units.py): three significant digits with a unit. No page, no data.
"use strict";
window.loadtestFigures = (() => {
  const digits = (value, count) => {
    if (!value) return "0";
    const decimals = Math.max(0, count - 1 - Math.floor(Math.log10(Math.abs(value))));
    return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: Math.min(decimals, 12) });
  };
  const scaled = (value, units) => {
    let [factor, unit] = units[0];
    for (const [each, name] of units) if (Math.abs(value) >= each * 0.9995) [factor, unit] = [each, name];
    return `${digits(value / factor, 3)} ${unit}`;
  };
  const texts = {
    ns: value => scaled(value, [[1, "ns"], [1e3, "µs"], [1e6, "ms"], [1e9, "s"]]),
    bytes: value => scaled(value, [[1, "B"], [1e3, "KB"], [1e6, "MB"], [1e9, "GB"], [1e12, "TB"]]),
    rate: value => `${digits(value, 5)}/s`,
    cores: value => `${digits(value, 3)} ${value === 1 ? "core" : "cores"}`,
    messages: value => digits(value, 6),
    count: value => digits(value, 6),
  };
  const span = seconds => {
    if (seconds < 120) return `${digits(seconds, 4)} s`;
    const whole = Math.round(seconds), two = number => String(number).padStart(2, "0");
    return whole < 7200 ? `${Math.floor(whole / 60)} min ${two(whole % 60)} s`
      : `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
  };
  return { digits, scaled, texts, span };
})();
