import { Alert, Button, Code, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { ApiProblem, signIn } from '../api/client.ts';
import { useT } from '../i18n/index.tsx';

/** Codes that say what kind of thing is wrong; what exactly is in the gate's own words. */
const PARTICULAR = new Set(['invalid', 'invalid_request', 'conflict']);

/** What went wrong, what it means, and what to do next. */
export function ProblemNotice({ error, retry }: { error: Error; retry?: () => void }) {
  const t = useT();
  const problem = error instanceof ApiProblem ? error : undefined;
  const title = problem?.status === 403 ? t.problems.forbidden : problem ? t.problems.refused : t.problems.offline;
  return (
    <Alert color="red.9" title={title} icon={<IconAlertTriangle />} role="alert" variant="outline" className="problem">
      <Stack gap="xs" align="start">
        <Text size="sm">{problem ? (t.problemCodes[problem.code] ?? problem.message) : t.problems.offlineText}</Text>
        {problem && PARTICULAR.has(problem.code) && <Text size="sm">{problem.message}</Text>}
        {problem?.correlation && (
          <Text size="sm">
            {t.problems.correlation}: <Code>{problem.correlation}</Code>
          </Text>
        )}
        {problem?.status === 401 ? (
          <Button size="xs" onClick={() => signIn()}>
            {t.problems.signIn}
          </Button>
        ) : (
          retry && (
            <Button size="xs" variant="default" onClick={retry}>
              {t.problems.retry}
            </Button>
          )
        )}
      </Stack>
    </Alert>
  );
}
