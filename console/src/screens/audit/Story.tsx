import { useInfiniteQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useWording } from '../../i18n/index.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { To } from '../../parts/links.tsx';
import { ClassMark, OutcomeMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { PageHead } from '../../parts/PageHead.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { targetOf } from './columns.tsx';
import { type AuditRecord, fetchRecords } from './query.ts';
import { RecordDrawer } from './RecordDrawer.tsx';

/** Most pages of one story; a business event with more records is read in the list. */
const PAGES_MAX = 10;

export default function Story() {
  const { t } = useWording();
  const { correlation = '' } = useParams({ strict: false });
  const [filters, change] = useFilters();
  const story = useInfiniteQuery({
    queryKey: ['audit', 'story', correlation],
    queryFn: ({ pageParam, signal }) =>
      fetchRecords({ correlation, order: 'oldest_first' }, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last, pages) => (pages.length < PAGES_MAX ? (last.next_cursor ?? undefined) : undefined),
  });
  const { hasNextPage, isFetching, fetchNextPage } = story;
  useEffect(() => {
    if (hasNextPage && !isFetching) fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const records = story.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <PageHead title={t.audit.storyTitle} lead={t.audit.storyLead} />
      <p>
        {t.audit.correlation}: <code>{correlation}</code>
      </p>
      {story.isPending && <Waiting />}
      {story.error && <ProblemNotice error={story.error} retry={() => story.refetch()} />}
      {story.isSuccess && records.length === 0 && (
        <EmptyState title={t.audit.storyNone} next={t.audit.storyNoneNext} action={<To to="/audit">{t.places.audit}</To>} />
      )}
      <ol className="story">
        {records.map((record) => (
          <Step key={record.id} record={record} since={records[0]} open={() => change({ open: record.id }, 'push')} />
        ))}
      </ol>
      <RecordDrawer id={filters.open} close={() => change({ open: undefined })} />
    </>
  );
}

interface StepProps {
  record: AuditRecord;
  since: AuditRecord | undefined;
  open: () => void;
}

function Step({ record, since, open }: StepProps) {
  const { t, format } = useWording();
  const after = since ? Date.parse(record.time) - Date.parse(since.time) : 0;
  return (
    <li>
      <div className="marks">
        <Moment time={record.time} />
        {after > 0 && <span className="lead">{t.audit.after(format.millis(after))}</span>}
      </div>
      <div className="marks">
        <button type="button" className="row-open" onClick={open}>
          {t.events[record.event] ?? record.event} {targetOf(record)}
        </button>
        {record.target && <ClassMark name={record.target.class} />}
        <OutcomeMark status={record.outcome?.status} />
      </div>
      <div className="lead">
        {record.caller?.name}
        {record.outcome?.message && ` – ${record.outcome.message}`}
      </div>
    </li>
  );
}
