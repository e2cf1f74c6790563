import { Stack } from '@mantine/core';
import { type ApprovalRequest, listRequests, type Which } from '../../api/approvals.ts';
import { listed, useT, useTexts } from '../../i18n/index.tsx';
import { substitutes } from '../../i18n/substitutes.ts';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { Listing } from '../../parts/Listing.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { ClassMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { PageHead } from '../../parts/PageHead.tsx';
import { TabBar } from '../../parts/TabBar.tsx';
import { RequestDrawer } from './RequestDrawer.tsx';
import { Substitutes } from './Substitutes.tsx';

/** Who decides need not have a right that changes are told to. */
const REFRESH_MS = 10_000;

const STATES: Record<string, Tone> = {
  pending: 'warn',
  approved: 'good',
  used: 'good',
  refused: 'bad',
  expired: 'plain',
  cancelled: 'plain',
};
const RISKS: Record<string, Tone> = { low: 'plain', medium: 'warn', high: 'bad' };

export default function Approvals() {
  const t = useT();
  const s = useTexts(substitutes);
  return (
    <Stack gap={0} className="fill">
      <PageHead title={t.places.approvals} lead={t.leads.approvals} />
      <TabBar
        label={t.places.approvals}
        tabs={[
          { name: 'for-me', label: t.approvals.mine, content: () => <Requests which="for-me" /> },
          { name: 'mine', label: t.approvals.requested, content: () => <Requests which="mine" /> },
          { name: 'decided', label: t.approvals.decided, content: () => <Requests which="decided" /> },
          { name: 'substitutes', label: s.tab, content: () => <Substitutes /> },
        ]}
      />
    </Stack>
  );
}

function Requests({ which }: { which: Which }) {
  const t = useT();
  const [filters, change] = useFilters();
  return (
    <>
      <Listing<ApprovalRequest>
        label={t.places.approvals}
        queryKey={['approvals', which]}
        refreshMs={REFRESH_MS}
        fetch={(cursor, signal) => listRequests(which, cursor, signal)}
        rowKey={(request) => request.id}
        open={(request) => change({ open: request.id }, 'push')}
        columns={[
          {
            label: t.audit.what,
            width: 'minmax(0, 1.4fr)',
            cell: (request) => `${request.target.connector}/${request.target.name}`,
          },
          { label: t.approvals.risk, width: '4.5rem', cell: (request) => <RiskMark risk={request.risk} /> },
          { label: t.access.state, width: '6.5rem', cell: (request) => <StateMark state={request.state} /> },
          { label: t.audit.who, cell: (request) => request.requester.name, wideOnly: true },
          { label: t.audit.class, width: '5rem', cell: (request) => <ClassMark name={request.target.class} />, wideOnly: true },
          {
            label: t.audit.reason,
            width: 'minmax(0, 1.4fr)',
            cell: (request) => listed(request.reasons.map((one) => one.reason)),
            wideOnly: true,
          },
          {
            label: which === 'decided' ? t.approvals.asked : t.approvals.expires,
            width: '12.5rem',
            cell: (request) => <Moment time={which === 'decided' ? request.created_at : request.expires_at} />,
            wideOnly: true,
          },
        ]}
        empty={<EmptyState title={t.approvals.none[which] ?? ''} next={t.approvals.noneNext} />}
      />
      <RequestDrawer id={filters.open} close={() => change({ open: undefined })} />
    </>
  );
}

export function StateMark({ state }: { state: string }) {
  const t = useT();
  return <Mark tone={STATES[state] ?? 'plain'}>{t.approvals.states[state] ?? state}</Mark>;
}

export function RiskMark({ risk }: { risk: string }) {
  const t = useT();
  return <Mark tone={RISKS[risk] ?? 'plain'}>{t.approvals.risks[risk] ?? risk}</Mark>;
}
