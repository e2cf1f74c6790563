import { useT } from '../i18n/index.tsx';
import { EmptyState } from '../parts/EmptyState.tsx';
import { To } from '../parts/links.tsx';

/** There is nothing at this address. */
export function Lost() {
  const t = useT();
  return (
    <EmptyState
      title={t.frame.lost}
      next={t.frame.lostNext}
      action={
        <To to="/">{t.places.overview}</To>
      }
    />
  );
}
