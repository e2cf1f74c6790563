import type { Schemas } from '../../api/client.ts';
import { useFormat, useT } from '../../i18n/index.tsx';

const HEIGHT = 140;
const WIDTH = 960;
const KINDS = ['success', 'refused', 'failed'] as const;

/** Calls over time, stacked by how they ended. Drawn by hand: a library of charts would weigh more than the rest. */
export function CallsChart({ series }: { series: Schemas['PointView'][] }) {
  const t = useT();
  const format = useFormat();
  const highest = Math.max(1, ...series.map((point) => point.success + point.refused + point.failed));
  const total = (kind: (typeof KINDS)[number]) =>
    format.number(series.reduce((sum, point) => sum + point[kind], 0));
  const step = WIDTH / Math.max(series.length, 1);
  const first = series[0];
  const last = series.at(-1);
  return (
    <figure className="chart">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${t.overview.chart}: ${t.overview.chartSummary(total('success'), total('refused'), total('failed'))}`}
      >
        {series.map((point, number) => {
          let top = HEIGHT;
          return KINDS.map((kind) => {
            const height = (point[kind] / highest) * (HEIGHT - 4);
            top -= height;
            if (height === 0) return null;
            return (
              <rect key={`${point.at}-${kind}`} data-kind={kind} x={number * step + 1} y={top} width={step - 2} height={height}>
                <title>{`${format.shortMoment(point.at)} ${t.overview[kind]} ${format.number(point[kind])}`}</title>
              </rect>
            );
          });
        })}
      </svg>
      <figcaption>
        <span>{first && format.shortMoment(first.at)}</span>
        <span className="legend">
          {KINDS.map((kind) => (
            <span key={kind} data-kind={kind}>
              {t.overview[kind]} {total(kind)}
            </span>
          ))}
        </span>
        <span>{last && format.shortMoment(last.at)}</span>
      </figcaption>
    </figure>
  );
}
