import { useT } from '../../i18n/index.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { PageHead } from '../../parts/PageHead.tsx';

export default function Approvals() {
  const t = useT();
  return (
    <>
      <PageHead title={t.places.approvals} lead={t.leads.approvals} />
      <EmptyState title={t.approvals.none} next={t.approvals.noneNext} />
    </>
  );
}
