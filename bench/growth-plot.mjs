const [WIDTH, HEIGHT] = [760, 420];
const PLOT = { left: 60, top: 50, right: 540, bottom: 360 };
/** Okabe and Ito: told apart by those who see colours differently, too. */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#0072b2', '#d55e00', '#009e73'];
const LEGEND_LINE = 24;

/**
 * Ratios over a logarithmic axis of numbers of avatars.
 * @param {{ name: string, points: [number, number][] }[]} lines the second half is drawn dashed
 * @returns {string} SVG
 */
export function drawGrowth(lines) {
  const avatars = lines[0].points.map(([count]) => count);
  const top = Math.max(
    2,
    Math.ceil(Math.max(...lines.flatMap(({ points }) => points.map(([, ratio]) => ratio)))),
  );
  const [first, last] = [avatars[0], avatars.at(-1)].map(Math.log10);
  const x = (count) =>
    round(PLOT.left + ((Math.log10(count) - first) / (last - first)) * (PLOT.right - PLOT.left));
  const y = (ratio) => round(PLOT.bottom - (ratio / top) * (PLOT.bottom - PLOT.top));
  const step = top > 10 ? Math.ceil(top / 10) : top > 4 ? 1 : 0.5;
  const ratios = Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step);
  const decades = Array.from({ length: Math.floor(last - first) + 1 }, (_, i) => 10 ** (first + i));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13" fill="#222">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(PLOT.left, 28, 'Server CPU per request, as ratio to that with the fewest avatars', 'font-size="15"'),
    ...ratios.flatMap((ratio) => [
      line(PLOT.left, y(ratio), PLOT.right, y(ratio)),
      text(PLOT.left - 8, y(ratio) + 4, ratio, 'text-anchor="end"'),
    ]),
    ...decades.flatMap((count) => [
      line(x(count), PLOT.top, x(count), PLOT.bottom),
      text(x(count), PLOT.bottom + 20, count.toLocaleString('en'), 'text-anchor="middle"'),
    ]),
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 44, 'avatars in the storage', 'text-anchor="middle"'),
    ...lines.flatMap(({ name, points }, i) => {
      const stroke = `stroke="${COLORS[i % COLORS.length]}" stroke-width="2"${i < lines.length / 2 ? '' : ' stroke-dasharray="6 4"'}`;
      const path = points.map(([count, ratio]) => `${x(count)},${y(ratio)}`).join(' ');
      const legend = PLOT.top + 10 + i * LEGEND_LINE;
      return [
        `<polyline points="${path}" fill="none" ${stroke}/>`,
        ...points.map(
          ([count, ratio]) =>
            `<circle cx="${x(count)}" cy="${y(ratio)}" r="3.5" fill="${COLORS[i % COLORS.length]}"/>`,
        ),
        `<path d="M${PLOT.right + 24} ${legend}h30" ${stroke}/>`,
        text(PLOT.right + 62, legend + 4, name),
      ];
    }),
    '</svg>\n',
  ].join('\n');
}

function line(x1, y1, x2, y2) {
  return `<path d="M${x1} ${y1}L${x2} ${y2}" stroke="#ddd"/>`;
}

function text(x, y, content, attributes = '') {
  return `<text x="${x}" y="${y}" ${attributes}>${content}</text>`;
}

function round(value) {
  return Math.round(value * 10) / 10;
}
