import { Button, Checkbox, Group, NativeSelect, NumberInput, Paper, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { type ApprovalRule, blankCondition, CLASSES, CONDITIONS, ENVIRONMENTS, type Grant } from '../../api/roles.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { ListInput } from '../../parts/ListInput.tsx';
import { ConditionEditor } from './ConditionEditor.tsx';
import { grantInWords } from './words.ts';

interface Props {
  title: string;
  grant: Grant;
  change: (grant: Grant) => void;
  remove: () => void;
}

const dataKind = (grant: Grant) => (grant.data === undefined ? 'default' : grant.data === 'any' ? 'any' : 'listed');

function withData(grant: Grant, kind: string): Grant {
  const { data: _, ...rest } = grant;
  if (kind === 'any') return { ...rest, data: 'any' };
  return kind === 'listed' ? { ...rest, data: { at_most: ['public', 'internal'] } } : rest;
}

/** What a grant lets one do, on what, with which data, if what, and agreed to by whom. */
export function GrantEditor({ title, grant, change, remove }: Props) {
  const t = useT();
  const s = useTexts(policies);
  const edit = (part: Partial<Grant>) => change({ ...grant, ...part });
  const conditions = grant.conditions ?? [];
  const listed = typeof grant.data === 'object' ? grant.data.at_most : [];
  const [classes, places, data, when, agreed] = grantInWords(t, s, grant);
  return (
    <Paper withBorder p="sm" component="section" aria-label={title}>
      <Stack gap="sm">
        <Group justify="space-between" wrap="nowrap" align="start">
          <div>
            <Text size="sm" fw={700}>
              {title}
            </Text>
            <Text size="sm" className="lead">
              {s.may}: {classes} ／ {s.of}: {places} ／ {s.data}: {data} ／ {s.conditions}: {when} ／ {s.approval}: {agreed}
            </Text>
          </div>
          <Button size="compact-xs" variant="default" flex="none" onClick={remove} aria-label={`${s.removeGrant}: ${title}`}>
            {s.removeGrant}
          </Button>
        </Group>
        <Checkbox.Group label={s.may} value={grant.classes} onChange={(classes) => edit({ classes })}>
          <Group gap="md" mt={4}>
            {CLASSES.map((one) => (
              <Checkbox key={one} value={one} label={t.classes[one]} size="sm" />
            ))}
          </Group>
        </Checkbox.Group>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <ListInput label={s.connectors} hint={s.empty} value={grant.connectors ?? []} change={(connectors) => edit({ connectors })} />
          <ListInput label={s.tools} hint={s.empty} value={grant.tools ?? []} change={(tools) => edit({ tools })} />
        </SimpleGrid>
        <Checkbox.Group
          label={s.environments}
          description={s.empty}
          value={grant.environments ?? []}
          onChange={(environments) => edit({ environments })}
        >
          <Group gap="md" mt={4}>
            {ENVIRONMENTS.map((one) => (
              <Checkbox key={one} value={one} label={t.environments[one]} size="sm" />
            ))}
          </Group>
        </Checkbox.Group>
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <NativeSelect
            label={s.data}
            value={dataKind(grant)}
            data={Object.entries(s.dataKinds).map(([value, label]) => ({ value, label }))}
            onChange={(event) => change(withData(grant, event.currentTarget.value))}
          />
          {dataKind(grant) === 'listed' && (
            <ListInput label={s.dataClasses} value={listed} change={(at_most) => edit({ data: { at_most } })} />
          )}
        </SimpleGrid>
        {conditions.map((condition, place) => (
          <ConditionEditor
            // Conditions have no names: their places are what tells them apart.
            key={`${place} ${condition.kind} of ${conditions.length}`}
            condition={condition}
            change={(next) => edit({ conditions: conditions.map((one, index) => (index === place ? next : one)) })}
            remove={() => edit({ conditions: conditions.filter((_, index) => index !== place) })}
          />
        ))}
        <Group>
          <NativeSelect
            size="xs"
            aria-label={s.addCondition}
            value=""
            data={[
              { value: '', label: `${s.addCondition}…` },
              ...Object.keys(CONDITIONS).map((value) => ({ value, label: s.conditionKinds[value] ?? value })),
            ]}
            onChange={(event) => {
              const kind = event.currentTarget.value;
              if (kind) edit({ conditions: [...conditions, blankCondition(kind)] });
            }}
          />
        </Group>
        <Approval rule={grant.approval} change={(approval) => change(withApproval(grant, approval))} />
      </Stack>
    </Paper>
  );
}

function withApproval(grant: Grant, approval: ApprovalRule | undefined): Grant {
  const { approval: _, ...rest } = grant;
  return approval ? { ...rest, approval } : rest;
}

function Approval({ rule, change }: { rule: ApprovalRule | undefined; change: (rule: ApprovalRule | undefined) => void }) {
  const s = useTexts(policies);
  return (
    <>
      <Checkbox
        label={s.approval}
        checked={rule !== undefined}
        onChange={(event) => change(event.currentTarget.checked ? { reason: '', quorum: 1 } : undefined)}
      />
      {rule && (
        <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
          <TextInput
            label={s.approvalReason}
            required
            value={rule.reason}
            onChange={(event) => change({ ...rule, reason: event.currentTarget.value })}
          />
          <ListInput label={s.approvalBy} value={rule.approvers ?? []} change={(approvers) => change({ ...rule, approvers })} />
          <NumberInput
            label={s.quorum}
            min={1}
            max={9}
            value={rule.quorum ?? 1}
            onChange={(quorum) => change({ ...rule, quorum: Number(quorum) || 1 })}
          />
          <Checkbox
            label={s.stepUp}
            checked={rule.step_up ?? false}
            onChange={(event) => change({ ...rule, step_up: event.currentTarget.checked })}
          />
        </SimpleGrid>
      )}
    </>
  );
}
