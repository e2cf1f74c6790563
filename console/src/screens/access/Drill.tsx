import { Button, Group, Stack, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { answer, api } from '../../api/client.ts';
import { useFormat, useT, useTexts } from '../../i18n/index.tsx';
import { stops } from '../../i18n/stops.ts';
import { Dialog } from '../../parts/Dialog.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';

/** Tries the kill switch without stopping anybody, and tells how long it took on each node. */
export function DrillDialog({ opened, close }: { opened: boolean; close: () => void }) {
  const s = useTexts(stops);
  return (
    <Dialog opened={opened} close={close} title={s.drillTitle}>
      <Drill close={close} />
    </Dialog>
  );
}

function Drill({ close }: { close: () => void }) {
  const t = useT();
  const s = useTexts(stops);
  const format = useFormat();
  const client = useQueryClient();
  const drill = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/kill-switches/drill')),
    onSuccess: () => client.invalidateQueries({ queryKey: ['kill-switches'] }),
  });
  const report = drill.data;
  return (
    <Stack gap="sm">
      <Text size="sm">{s.drillLead}</Text>
      {drill.error && <ProblemNotice error={drill.error} />}
      {report && (
        <div role="status">
          <Text size="sm" fw={700}>
            {report.slowest_ms == null ? s.drillNobody : s.drillDone(format.millis(report.slowest_ms))}
          </Text>
          <Text size="sm">{s.drillStored(format.millis(report.stored_ms))}</Text>
          {report.nodes.length > 0 && (
            <SmallTable
              label={s.drillTitle}
              head={[s.node, s.took]}
              rows={report.nodes.map((node) => ({ key: node.node, cells: [node.node, format.millis(node.after_ms)] }))}
            />
          )}
        </div>
      )}
      <Group justify="end">
        <Button variant="default" onClick={close}>
          {t.common.close}
        </Button>
        <Button loading={drill.isPending} onClick={() => drill.mutate()}>
          {s.drillRun}
        </Button>
      </Group>
    </Stack>
  );
}
