import { Stack, Text } from '@mantine/core';
import { useMe } from '../../api/me.tsx';
import { listed, useT } from '../../i18n/index.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { Fields } from '../../parts/Details.tsx';
import { Section } from '../../parts/Section.tsx';

/** Who one is here, and what one may do. */
export function Gate() {
  const t = useT();
  const me = useMe();
  const areas = [...new Set(me.rights.map((right) => right.area))];
  const actions = (area: string) =>
    me.rights
      .filter((right) => right.area === area)
      .map((right) => (right.action === 'manage' ? t.settings.manage : t.settings.view))
      .join('・');
  return (
    <Stack>
      <Section title={t.settings.me}>
        <Fields
          of={[
            [t.audit.who, me.name],
            ['ID', <Copyable key="id" text={me.id} />],
            [t.audit.kind, t.kinds[me.kind] ?? me.kind],
            [t.audit.groups, listed(me.groups)],
            [t.audit.method, t.methods[me.authentication.method] ?? me.authentication.method],
            [t.audit.mfa, me.authentication.mfa ? t.common.yes : t.common.no],
          ]}
        />
        <Text size="sm" className="lead">
          {t.settings.language}
        </Text>
      </Section>
      <Section title={t.settings.myRights}>
        <Fields
          of={areas.length ? areas.map((area): [string, string] => [t.areas[area] ?? area, actions(area)]) : [[t.settings.myRights, t.settings.rightsNone]]}
        />
      </Section>
    </Stack>
  );
}
