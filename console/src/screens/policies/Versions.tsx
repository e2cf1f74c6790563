import { answer, api, type Schemas } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { Details } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { Listing } from '../../parts/Listing.tsx';
import { ActiveMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { PolicySetView, usePolicySet } from './InForce.tsx';

export function Versions() {
  const t = useT();
  const [filters, change] = useFilters();
  const set = usePolicySet(filters.open);
  return (
    <>
      <Listing<Schemas['PolicyVersionView']>
        label={t.policies.versions}
        queryKey={['policies', 'versions']}
        fetch={(_, signal) => answer(api.GET('/api/v1/policies', { signal }))}
        rowKey={(one) => String(one.version)}
        open={(one) => change({ open: String(one.version) }, 'push')}
        columns={[
          { label: t.policies.versionLabel, width: '8rem', cell: (one) => t.policies.version(one.version) },
          {
            label: t.policies.state,
            width: '7rem',
            cell: (one) => <ActiveMark active={one.active} words={[t.policies.active, t.policies.notActive]} />,
          },
          { label: t.policies.author, cell: (one) => one.author },
          { label: t.policies.savedAt, width: '12.5rem', cell: (one) => <Moment time={one.created_at} />, wideOnly: true },
          { label: t.policies.activatedBy, cell: (one) => one.activated_by ?? '–', wideOnly: true },
          { label: t.policies.activatedAt, width: '12.5rem', cell: (one) => <Moment time={one.activated_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={t.policies.none} next={t.policies.noneNext} />}
      />
      <Details
        title={filters.open && t.policies.version(Number(filters.open))}
        opened={filters.open !== undefined}
        close={() => change({ open: undefined })}
        query={set}
      >
        {(set) => <PolicySetView set={set} />}
      </Details>
    </>
  );
}
