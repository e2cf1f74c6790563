import { answer, api, type Schemas } from '../../api/client.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { review } from '../../i18n/review.ts';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { FilterBar } from '../../parts/FilterBar.tsx';
import { clean, useFilters } from '../../parts/filters.ts';
import { Listing } from '../../parts/Listing.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ClassMark, ReviewMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { ToolDrawer } from './ToolDrawer.tsx';

const FILTERS = ['connector', 'class', 'review_state', 'text'] as const;

export function Tools() {
  const t = useT();
  const s = useTexts(review);
  const [filters, change] = useFilters();
  const asked = clean(Object.fromEntries(FILTERS.map((name) => [name, filters[name]])));
  const choices = (words: Record<string, string>) =>
    Object.entries(words).map(([value, label]) => ({ value, label }));
  return (
    <>
      <FilterBar
        filters={[
          { kind: 'text', name: 'text', label: t.audit.text, wide: true },
          { kind: 'choice', name: 'review_state', label: t.catalog.review, any: t.common.all, choices: choices(t.reviewStates) },
          { kind: 'choice', name: 'class', label: t.catalog.class, any: t.common.all, choices: choices(t.classes) },
          { kind: 'text', name: 'connector', label: t.audit.connector },
        ]}
      />
      <Listing<Schemas['ToolView']>
        label={t.catalog.tools}
        queryKey={['catalog', 'tools', asked]}
        fetch={(cursor, signal) =>
          answer(
            api.GET('/api/v1/tools', { params: { query: { ...asked, limit: 200, ...(cursor ? { cursor } : {}) } }, signal }),
          )
        }
        rowKey={(tool) => `${tool.connector}/${tool.name}`}
        open={(tool) => change({ open: `${tool.connector}/${tool.name}` }, 'push')}
        columns={[
          { label: t.catalog.name, width: 'minmax(0, 1.8fr)', cell: (tool) => `${tool.connector}/${tool.name}` },
          { label: t.catalog.class, width: '6rem', cell: (tool) => <ClassMark name={tool.class} />, wideOnly: true },
          {
            label: t.catalog.review,
            width: '12.5rem',
            cell: (tool) => (
              <span className="marks">
                <ReviewMark state={tool.review_state} />
                {tool.quarantined && <Mark tone="bad">{s.quarantined}</Mark>}
              </span>
            ),
            // Who has reviewed a tool wants to know as what; until then it counts as admin.
            narrow: {
              width: '8.5rem',
              cell: (tool) =>
                tool.quarantined ? (
                  <Mark tone="bad">{s.quarantined}</Mark>
                ) : tool.review_state === 'classified' ? (
                  <ClassMark name={tool.class} />
                ) : (
                  <ReviewMark state={tool.review_state} />
                ),
            },
          },
          { label: t.catalog.description, width: 'minmax(0, 2fr)', cell: (tool) => tool.description ?? tool.title, wideOnly: true },
          { label: t.catalog.reviewedAt, width: '12.5rem', cell: (tool) => <Moment time={tool.reviewed_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={t.catalog.noTools} next={t.catalog.noToolsNext} />}
      />
      <ToolDrawer id={filters.open} close={() => change({ open: undefined })} />
    </>
  );
}
