// Saving what a search finds as a file.

import { Alert, Button, Group, NativeSelect, Progress, Stack, Text } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { useFormat, useTexts, useWording } from '../../i18n/index.tsx';
import { records } from '../../i18n/records.ts';
import { Dialog } from '../../parts/Dialog.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { discardExport, type ExportJob, type Form, pauseExport, RECORDS_MAX, resumeExport, startExport, useExport } from './exportJob.ts';
import type { Query } from './query.ts';

const FORMS: Form[] = ['csv', 'jsonl'];

export function Export({ query }: { query: Query }) {
  const s = useTexts(records);
  const job = useExport();
  const label = useLabel(job);
  const [opened, setOpened] = useState(false);
  const before = useRef(job?.state);
  useEffect(() => {
    if (job?.state === 'done' && before.current !== 'done') succeeded(s.ready);
    before.current = job?.state;
  }, [job?.state, s]);
  return (
    <>
      <Button size="xs" variant="default" leftSection={<IconDownload size={14} />} onClick={() => setOpened(true)}>
        {label}
      </Button>
      <Dialog title={s.title} opened={opened} close={() => setOpened(false)}>
        {job ? <Running job={job} /> : <NewExport query={query} />}
      </Dialog>
    </>
  );
}

function useLabel(job: ExportJob | undefined): string {
  const s = useTexts(records);
  switch (job?.state) {
    case undefined:
      return s.export;
    case 'counting':
    case 'running':
      return s.exporting(`${percentOf(job)} %`);
    case 'done':
      return s.ready;
    default:
      return s.interrupted;
  }
}

const percentOf = ({ written, total }: ExportJob) => (total ? Math.floor((written / total) * 100) : 0);

function NewExport({ query }: { query: Query }) {
  const s = useTexts(records);
  const { language } = useWording();
  const [form, setForm] = useState<Form>('csv');
  return (
    <Stack>
      <Text size="sm">{s.lead}</Text>
      <NativeSelect
        label={s.form}
        value={form}
        data={FORMS.map((value) => ({ value, label: s.forms[value] }))}
        onChange={(event) => setForm(event.currentTarget.value as Form)}
      />
      <Group justify="end">
        <Button data-autofocus onClick={() => startExport(query, form, language)}>
          {s.start}
        </Button>
      </Group>
    </Stack>
  );
}

function Running({ job }: { job: ExportJob }) {
  const s = useTexts(records);
  const format = useFormat();
  const { state, total, written } = job;
  const told = {
    counting: s.counting,
    running: s.stay,
    paused: s.paused,
    failed: s.failed,
    'too-many': s.tooMany(format.number(total ?? 0), format.number(RECORDS_MAX)),
    done: total === 0 ? s.nothing : s.done(format.number(written)),
  }[state];
  return (
    <Stack>
      <Text size="sm">{s.forms[job.form]}</Text>
      <Progress value={state === 'done' ? 100 : percentOf(job)} animated={state === 'running'} aria-label={s.progress} />
      {total !== undefined && <Text size="sm">{s.written(format.number(written), format.number(total))}</Text>}
      {state === 'too-many' ? (
        <Alert variant="outline" color="gray" className="problem" role="alert" title={told} />
      ) : (
        <Text size="sm" role="status">
          {told}
        </Text>
      )}
      {job.error && <ProblemNotice error={job.error} />}
      <Group justify="end" gap="xs">
        <Button variant="default" onClick={discardExport}>
          {s.discard}
        </Button>
        {(state === 'counting' || state === 'running') && (
          <Button variant="default" onClick={pauseExport}>
            {s.pause}
          </Button>
        )}
        {(state === 'paused' || state === 'failed') && <Button onClick={resumeExport}>{s.goOn}</Button>}
        {job.address && (
          <Button component="a" href={job.address} download={job.name} leftSection={<IconDownload size={16} />}>
            {s.save}
          </Button>
        )}
      </Group>
    </Stack>
  );
}
