import { useFormat } from '../i18n/index.tsx';

/** A point in time: absolute, and how long ago when pointed at. */
export function Moment({ time }: { time: string | null | undefined }) {
  const format = useFormat();
  if (!time) return <>–</>;
  return (
    <time dateTime={time} title={format.relative(time)} className="moment">
      {format.moment(time)}
    </time>
  );
}
